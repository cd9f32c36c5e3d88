#include <algorithm>
#include <map>
#include <utility>

#include "backend/buffer_pool.h"
#include "backend/cuda/column_sums.h"
#include "backend/cuda/cuda_backend.h"
#include "backend/cuda/elementwise.h"
#include "backend/cuda/layer_norm.h"
#include "backend/cuda/linear.h"
#include "backend/cuda/linear_attention.h"
#include "backend/cuda/loss.h"
#include "backend/cuda/maps.h"
#include "backend/cuda/memory.h"
#include "backend/cuda/optimizer.h"
#include "backend/cuda/properties.h"
#include "backend/cuda/softmax_attention.h"
#include "backend/cuda/tokens.h"

namespace dinomaly {
namespace {

using cuda::bf16;
using cuda::Factor;
using cuda::Precision;
using cuda::Stream;

constexpr size_t kMaxIdleBytes = size_t{8} << 30;
constexpr int64_t kImagesAtOnce = 32;  // fills the largest device, and bounds what a batch's activations take

size_t bytesOf(int64_t floats) {
  return static_cast<size_t>(floats) * sizeof(float);
}

class CudaBackend : public Backend {
 public:
  explicit CudaBackend(Precision precision)
      : products_(precision),
        pool_(std::make_shared<BufferPool>(BufferPool::Source{cuda::takeMemory, cuda::giveMemory}, kMaxIdleBytes)) {}

  int64_t imagesAtOnce() const override { return kImagesAtOnce; }
  Buffer allocate(int64_t size) override { return pool_->allocate(size); }
  void upload(float* to, const float* from, int64_t size) override { cuda::toDevice(stream_, to, from, bytesOf(size)); }
  void download(float* to, const float* from, int64_t size) override { cuda::toHost(stream_, to, from, bytesOf(size)); }
  void zero(float* x, int64_t size) override { cuda::fillWithZero(stream_, x, bytesOf(size)); }
  void copy(float* to, const float* from, int64_t size) override {
    cuda::copyOnDevice(stream_, to, from, bytesOf(size));
  }

  void patchesFromPixels(float* y, const uint8_t* pixels, int64_t images, int64_t h, int64_t w, int64_t p) override {
    const auto bytes = static_cast<size_t>(images * h * w * 3);
    const Buffer there = allocate(static_cast<int64_t>((bytes + sizeof(float) - 1) / sizeof(float)));
    cuda::toDevice(stream_, there.get(), pixels, bytes);
    cuda::patchesFromPixels(stream_, y, reinterpret_cast<const uint8_t*>(there.get()), images, h, w, p);
  }
  void patchesFromTensor(float* y, const float* x, int64_t images, int64_t h, int64_t w, int64_t p) override {
    const Buffer there = allocate(images * 3 * h * w);
    upload(there.get(), x, images * 3 * h * w);
    cuda::patchesFromTensor(stream_, y, there.get(), images, h, w, p);
  }
  void embed(float* y, const float* patches, const float* cls, const float* registers, const float* positions,
             int64_t images, int64_t patchCount, int64_t registerCount, int64_t dim) override {
    cuda::embed(stream_, y, patches, cls, registers, positions, images, patchCount, registerCount, dim);
  }
  void takePatches(float* y, const float* tokens, float a, bool add, int64_t images, int64_t tokenCount,
                   int64_t patchCount, int64_t dim) override {
    cuda::takePatches(stream_, y, tokens, a, add, images, tokenCount, patchCount, dim);
  }
  void putPatches(float* dtokens, const float* dpatches, float a, int64_t images, int64_t tokenCount,
                  int64_t patchCount, int64_t dim) override {
    cuda::putPatches(stream_, dtokens, dpatches, a, images, tokenCount, patchCount, dim);
  }

  void uploadWeight(float* to, const float* from, int64_t in, int64_t out) override { upload(to, from, in * out); }
  void downloadWeight(float* to, const float* from, int64_t in, int64_t out) override { download(to, from, in * out); }

  void linear(float* y, const float* x, const float* w, int64_t rows, int64_t in, int64_t out,
              const Epilogue& e) override {
    const Factor<float> left{x}, right{w, true};
    if (e.activation == Activation::none && !e.scale) {
      multiply(y, left, right, rows, out, in, e.bias, e.residual);
      return;
    }
    const bool onItself = e.residual == y;  // which the product must not overwrite
    const Buffer apart = onItself ? allocate(rows * out) : Buffer();
    float* const product = onItself ? apart.get() : y;
    multiply(product, left, right, rows, out, in);
    cuda::finishLinear(stream_, y, product, rows, out, e);
  }
  void linearInputGradient(float* dx, const float* dy, const float* w, int64_t rows, int64_t in, int64_t out) override {
    multiply(dx, {dy}, {w}, rows, in, out);
  }
  void linearWeightGradient(float* dw, float* db, const float* dy, const float* x, int64_t rows, int64_t in,
                            int64_t out) override {
    multiply(dw, {dy, true}, {x}, out, in, rows);
    const Buffer partials = allocate(cuda::columnSumPartials(rows, out));
    cuda::columnSums(stream_, db, partials.get(), dy, rows, out);
  }

  void gelu(float* y, const float* x, int64_t size) override { cuda::gelu(stream_, y, x, size); }
  void geluGradient(float* dx, const float* dy, const float* x, int64_t size) override {
    cuda::geluGradient(stream_, dx, dy, x, size);
  }
  void dropout(float* y, const float* x, int64_t rows, int64_t dim, const Dropout& d) override {
    cuda::dropout(stream_, y, x, rows, dim, d);
  }
  void addScaled(float* y, const float* x, float a, int64_t size) override { cuda::addScaled(stream_, y, x, a, size); }

  void layerNorm(float* y, float* mean, float* rstd, const float* x, const float* weight, const float* bias,
                 int64_t rows, int64_t dim, float eps) override {
    cuda::layerNorm(stream_, y, mean, rstd, x, weight, bias, rows, dim, eps);
  }
  void layerNormGradient(float* dx, float* dweight, float* dbias, const float* dy, const float* x, const float* mean,
                         const float* rstd, const float* weight, int64_t rows, int64_t dim) override {
    const Buffer partials = allocate(cuda::layerNormPartials(rows, dim));
    cuda::layerNormGradient(stream_, dx, dweight, dbias, partials.get(), dy, x, mean, rstd, weight, rows, dim);
  }

  void softmaxAttention(float* y, const float* qkv, int64_t images, int64_t tokens, int64_t heads,
                        int64_t headDim) override {
    if (products_.precision() != Precision::bf16) {
      cuda::softmaxAttention(stream_, y, qkv, images, tokens, heads, headDim, cuda::AttentionKernel::plain);
      return;
    }
    const int64_t size = images * tokens * heads * headDim;
    const cuda::AttentionKernel kernel = cuda::attentionKernelFor<bf16>(
        images, tokens, heads, headDim, properties_.computeMajor, properties_.processors);
    const Buffer roundedQkv = rounded(qkv, 3 * size), result = allocateRounded(size);
    auto* const there = reinterpret_cast<bf16*>(result.get());
    cuda::softmaxAttention(stream_, there, reinterpret_cast<const bf16*>(roundedQkv.get()), images, tokens, heads,
                           headDim, kernel);
    cuda::convert(stream_, y, there, size);
  }
  void linearAttention(float* y, const float* qkv, int64_t images, int64_t tokens, int64_t heads,
                       int64_t headDim) override {
    const Buffer scratch = allocate(cuda::linearAttentionScratch(images, tokens, heads, headDim));
    cuda::linearAttention(stream_, y, scratch.get(), qkv, images, tokens, heads, headDim);
  }
  void linearAttentionGradient(float* dqkv, const float* dy, const float* qkv, int64_t images, int64_t tokens,
                               int64_t heads, int64_t headDim) override {
    const Buffer scratch = allocate(cuda::linearAttentionScratch(images, tokens, heads, headDim));
    cuda::linearAttentionGradient(stream_, dqkv, scratch.get(), dy, qkv, images, tokens, heads, headDim);
  }

  void cosineDistance(float* distance, const float* e, const float* d, int64_t rows, int64_t dim) override {
    cuda::cosineDistance(stream_, distance, e, d, rows, dim);
  }
  double looseLoss(float* dd, const float* e, const float* d, int64_t images, int64_t patches, int64_t dim, int64_t k,
                   float weight) override {
    const Buffer scratch = allocate(cuda::looseLossScratch(images, patches)), loss = allocate(kFloatsOfDouble);
    auto* const there = reinterpret_cast<double*>(loss.get());
    cuda::looseLoss(stream_, dd, there, scratch.get(), e, d, images, patches, dim, k, weight);
    return doubleAt(there);
  }
  void anomalyMaps(float* maps, const std::vector<const float*>& distances, int64_t images, int64_t rows, int64_t cols,
                   int64_t h, int64_t w) override {
    cuda::anomalyMaps(stream_, maps, distances, axis(rows, h), axis(cols, w), images, rows, cols);
  }
  void imageScores(float* scores, const float* maps, int64_t images) override {
    const Buffer there = allocate(images);
    cuda::imageScores(stream_, there.get(), maps, images);
    download(scores, there.get(), images);
  }

  double squaredNorm(const float* x, int64_t size) override {
    const Buffer partials = optimizerPartials(size), squares = allocate(kFloatsOfDouble);
    auto* const there = reinterpret_cast<double*>(squares.get());
    cuda::squaredNorm(stream_, there, x, size, reinterpret_cast<double*>(partials.get()));
    return doubleAt(there);
  }
  void stableAdamW(float* p, float* m, float* v, float* vmax, const float* g, int64_t size,
                   const OptimizerStep& step) override {
    const Buffer partials = optimizerPartials(size);
    cuda::stableAdamW(stream_, p, m, v, vmax, g, size, step, reinterpret_cast<double*>(partials.get()));
  }

 private:
  static constexpr int64_t kFloatsOfDouble = sizeof(double) / sizeof(float);

  /// y (m,n) = left right + bias + old, factors rounded as the precision says.
  void multiply(float* y, Factor<float> left, Factor<float> right, int64_t m, int64_t n, int64_t k,
                const float* bias = nullptr, const float* old = nullptr) {
    if (products_.precision() != Precision::bf16) {
      products_.multiply(stream_, y, left, right, m, n, k, bias, old);
      return;
    }
    const Buffer roundedLeft = rounded(left.data, m * k), roundedRight = rounded(right.data, k * n);
    products_.multiply<bf16>(stream_, y, {reinterpret_cast<const bf16*>(roundedLeft.get()), left.transposed},
                             {reinterpret_cast<const bf16*>(roundedRight.get()), right.transposed}, m, n, k, bias, old);
  }

  Buffer allocateRounded(int64_t size) {
    constexpr int64_t kInAFloat = sizeof(float) / sizeof(bf16);
    return allocate((size + kInAFloat - 1) / kInAFloat);
  }

  Buffer rounded(const float* x, int64_t size) {
    Buffer to = allocateRounded(size);
    cuda::convert(stream_, reinterpret_cast<bf16*>(to.get()), x, size);
    return to;
  }

  double doubleAt(const double* there) {
    double value = 0;
    cuda::toHost(stream_, &value, there, sizeof value);
    return value;
  }

  Buffer optimizerPartials(int64_t size) {
    return allocate(cuda::optimizerPartials(cuda::blocksOf(size, cuda::kOptimizerChunk)) * kFloatsOfDouble);
  }

  /// mapAxisWeights() on the device, kept for each shape: a service has one or two.
  const float* axis(int64_t patches, int64_t size) {
    Buffer& kept = axes_[{patches, size}];
    if (!kept) {
      const std::vector<float> weights = cuda::mapAxisWeights(patches, size);
      Buffer there = allocate(static_cast<int64_t>(weights.size()));
      upload(there.get(), weights.data(), static_cast<int64_t>(weights.size()));
      kept = std::move(there);
    }
    return kept.get();
  }

  cuda::Products products_;
  Stream stream_{};
  cuda::Properties properties_ = cuda::properties();
  std::shared_ptr<BufferPool> pool_;
  std::map<std::pair<int64_t, int64_t>, Buffer> axes_;
};

}  // namespace

std::unique_ptr<Backend> makeCudaBackend(Precision precision) {
  return std::make_unique<CudaBackend>(precision);
}

}  // namespace dinomaly
