#include "backend/float_backend.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace dinomaly {
namespace {

float* f(Element* x) {
  return reinterpret_cast<float*>(x);
}
const float* f(const Element* x) {
  return reinterpret_cast<const float*>(x);
}
std::vector<const float*> f(const Element* const* xs, int64_t count) {
  std::vector<const float*> all;
  for (int64_t i = 0; i < count; ++i) all.push_back(f(xs[i]));
  return all;
}

}  // namespace

void FloatBackend::uploadBytes(void* to, const void* from, int64_t bytes) {
  copyBytes(to, from, bytes);
}
void FloatBackend::uploadEach(void* to, const void* const* from, int64_t count, int64_t bytes) {
  for (int64_t i = 0; i < count; ++i) copyBytes(static_cast<char*>(to) + i * bytes, from[i], bytes);
}
void FloatBackend::downloadBytes(void* to, const void* from, int64_t bytes) {
  copyBytes(to, from, bytes);
}
std::shared_ptr<void> FloatBackend::startDownload(const void* from, int64_t bytes) {
  std::shared_ptr<void> there = allocateBytes(bytes);
  copyBytes(there.get(), from, bytes);
  return there;
}
void FloatBackend::zeroBytes(void* x, int64_t bytes) {
  std::memset(x, 0, static_cast<size_t>(bytes));
}
void FloatBackend::copyBytes(void* to, const void* from, int64_t bytes) {
  if (bytes > 0) std::memcpy(to, from, static_cast<size_t>(bytes));  // it takes no null
}
void FloatBackend::copyEach(const Copy* copies, int64_t count) {
  for (int64_t i = 0; i < count; ++i) copy(copies[i].to, copies[i].from, copies[i].size);
}
void FloatBackend::toElements(Element* y, const float* x, int64_t size) {
  copyBytes(y, x, size * elementBytes());
}
void FloatBackend::fromElements(float* y, const Element* x, int64_t size) {
  copyBytes(y, x, size * elementBytes());
}

void FloatBackend::patchesFromPixels(Element* y, const uint8_t* pixels, int64_t images, int64_t h, int64_t w,
                                     int64_t p) {
  patchesFromPixels(f(y), pixels, images, h, w, p);
}
void FloatBackend::patchesFromTensor(Element* y, const float* x, int64_t images, int64_t h, int64_t w, int64_t p) {
  patchesFromTensor(f(y), x, images, h, w, p);
}
void FloatBackend::embed(Element* y, const Element* patches, const float* cls, const float* registers,
                         const float* positions, int64_t images, int64_t patchCount, int64_t registerCount,
                         int64_t dim) {
  embed(f(y), f(patches), cls, registers, positions, images, patchCount, registerCount, dim);
}
void FloatBackend::linear(Element* y, const Element* x, const float* w, int64_t rows, int64_t in, int64_t out,
                          const Epilogue& e) {
  linear(f(y), f(x), w, rows, in, out, FloatEpilogue{e.bias, e.activation, e.scale, f(e.residual), e.mayRound});
}
void FloatBackend::linearInputGradient(Element* dx, const Element* dy, const float* w, int64_t rows, int64_t in,
                                       int64_t out) {
  linearInputGradient(f(dx), f(dy), w, rows, in, out);
}
void FloatBackend::linearWeightGradient(float* dw, float* db, const Element* dy, const Element* x, int64_t rows,
                                        int64_t in, int64_t out) {
  linearWeightGradient(dw, db, f(dy), f(x), rows, in, out);
}
void FloatBackend::gelu(Element* y, const Element* x, int64_t size) {
  gelu(f(y), f(x), size);
}
void FloatBackend::geluBackward(Element* x, Element* dy, float* db, int64_t rows, int64_t dim) {
  geluBackward(f(x), f(dy), db, rows, dim);
}
void FloatBackend::layerNorm(Element* y, float* mean, float* rstd, const Element* x, const float* weight,
                             const float* bias, int64_t rows, int64_t dim, float eps, bool) {
  layerNorm(f(y), mean, rstd, f(x), weight, bias, rows, dim, eps);
}
void FloatBackend::layerNormGradient(Element* dx, float* dweight, float* dbias, const Element* dy, const Element* x,
                                     const float* mean, const float* rstd, const float* weight, int64_t rows,
                                     int64_t dim) {
  layerNormGradient(f(dx), dweight, dbias, f(dy), f(x), mean, rstd, weight, rows, dim);
}
void FloatBackend::softmaxAttention(Element* y, const Element* qkv, int64_t images, int64_t tokens, int64_t heads,
                                    int64_t headDim) {
  softmaxAttention(f(y), f(qkv), images, tokens, heads, headDim);
}
void FloatBackend::linearAttention(Element* y, const Element* qkv, int64_t images, int64_t tokens, int64_t heads,
                                   int64_t headDim) {
  linearAttention(f(y), f(qkv), images, tokens, heads, headDim);
}
void FloatBackend::linearAttentionGradient(Element* dqkv, const Element* dy, const Element* qkv, int64_t images,
                                           int64_t tokens, int64_t heads, int64_t headDim) {
  linearAttentionGradient(f(dqkv), f(dy), f(qkv), images, tokens, heads, headDim);
}
void FloatBackend::dropout(Element* y, const Element* x, int64_t rows, int64_t dim, const Dropout& d) {
  dropout(f(y), f(x), rows, dim, FloatDropout{d.rate, numbers_.seed, numbers_.iteration, d.place});
}
void FloatBackend::weightedSum(Element* y, const Element* const* xs, const float* weights, int64_t count,
                               int64_t size) {
  weightedSum(f(y), f(xs, count).data(), weights, count, size);
}
void FloatBackend::takePatches(Element* y, const Element* const* tokens, const float* weights, int64_t count,
                               int64_t images, int64_t tokenCount, int64_t patchCount, int64_t dim) {
  takePatches(f(y), f(tokens, count).data(), weights, count, images, tokenCount, patchCount, dim);
}
void FloatBackend::putPatches(Element* dtokens, const Element* dpatches, float a, int64_t images, int64_t tokenCount,
                              int64_t patchCount, int64_t dim) {
  putPatches(f(dtokens), f(dpatches), a, images, tokenCount, patchCount, dim);
}
void FloatBackend::cosineDistance(float* distance, const Element* e, const Element* d, int64_t rows, int64_t dim) {
  cosineDistance(distance, f(e), f(d), rows, dim);
}

void FloatBackend::setTrained(const TrainedTensor* tensors, int64_t count) {
  trained_.assign(tensors, tensors + count);
}

void FloatBackend::beginStep(const StepNumbers& numbers) {
  numbers_ = numbers;
  outcome_.loss = outcome_.gradientNorm = 0;
}

void FloatBackend::looseLoss(Element* dd, const Element* e, const Element* d, int64_t images, int64_t patches,
                             int64_t dim, float share) {
  outcome_.loss += share * looseLoss(f(dd), f(e), f(d), images, patches, dim, numbers_.hardest, share);
}

void FloatBackend::optimizerStep() {
  double squares = 0;
  for (const TrainedTensor& t : trained_) squares += squaredNorm(t.g, t.size);
  outcome_.gradientNorm = std::sqrt(squares);
  const bool finite = std::isfinite(outcome_.loss) && std::isfinite(outcome_.gradientNorm);
  if (!finite && outcome_.failed < 0) outcome_.failed = numbers_.iteration;
  if (outcome_.failed >= 0) return;

  OptimizerStep step{numbers_.learningRate, numbers_.beta1, numbers_.beta2, numbers_.eps, numbers_.weightDecay};
  step.gradientScale = std::min(1.0, numbers_.clipNorm / (outcome_.gradientNorm + 1e-6));  // torch's clip_grad_norm_
  step.t = numbers_.t;
  for (const TrainedTensor& t : trained_) stableAdamW(t.p, t.m, t.v, t.vmax, t.g, t.size, step);
}

StepOutcome FloatBackend::stepOutcome() {
  const StepOutcome told = outcome_;
  outcome_.failed = -1;
  return told;
}

}  // namespace dinomaly
