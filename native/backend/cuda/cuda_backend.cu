#include <algorithm>
#include <map>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "backend/buffer_pool.h"
#include "backend/cuda/column_sums.h"
#include "backend/cuda/copies.h"
#include "backend/cuda/cuda_backend.h"
#include "backend/cuda/elementwise.h"
#include "backend/cuda/gelu_backward.h"
#include "backend/cuda/group_means.h"
#include "backend/cuda/layer_norm.h"
#include "backend/cuda/linear.h"
#include "backend/cuda/linear_attention.h"
#include "backend/cuda/loss.h"
#include "backend/cuda/maps.h"
#include "backend/cuda/memory.h"
#include "backend/cuda/optimizer.h"
#include "backend/cuda/properties.h"
#include "backend/cuda/recordings.h"
#include "backend/cuda/rounded_weights.h"
#include "backend/cuda/softmax_attention.h"
#include "backend/cuda/staging.h"
#include "backend/cuda/step.h"
#include "backend/cuda/tokens.h"
#include "backend/cuda/trained.h"
#include "core/error.h"

namespace dinomaly {
namespace {

using cuda::bf16;
using cuda::Precision;
using cuda::Step;

constexpr size_t kMaxIdleBytes = size_t{8} << 30;
constexpr int64_t kImagesAtOnce = 32;  // fills the largest device, and bounds what a batch's activations take

/// T: of activations, bf16 where that is the precision.
template <typename T>
class CudaBackend : public Backend {
 public:
  CudaBackend(Precision precision, cuda::Choosing choosing)
      : pool_(std::make_shared<BufferPool>(cuda::kDeviceMemory, kMaxIdleBytes)),
        recordings_(stream_, pool_),
        staging_(stream_),
        products_(precision, choosing),
        step_(sizeof(Step)) {
    const Step none{};
    staging_.upload(step(), &none, sizeof none);
  }
  ~CudaBackend() override {
    try {
      stream_.synchronize();  // cudaFree need not wait for what still uses the memory
    } catch (const Error&) {  // the device is lost, and uses nothing any more
    }
  }

  int64_t imagesAtOnce() const override { return kImagesAtOnce; }
  bool recomputes() const override { return true; }
  int64_t elementBytes() const override { return sizeof(T); }

  std::shared_ptr<void> allocateBytes(int64_t bytes) override { return recordings_.allocate(bytes); }
  void uploadBytes(void* to, const void* from, int64_t bytes) override {
    recordings_.withAllMemory([&] { staging_.upload(to, from, static_cast<size_t>(bytes)); });
  }
  void uploadEach(void* to, const void* const* from, int64_t count, int64_t bytes) override {
    recordings_.withAllMemory(
        [&] { staging_.uploadEach(to, from, static_cast<size_t>(count), static_cast<size_t>(bytes)); });
  }
  void downloadBytes(void* to, const void* from, int64_t bytes) override {
    staging_.download(to, from, static_cast<size_t>(bytes));
  }
  std::shared_ptr<void> startDownload(const void* from, int64_t bytes) override {
    std::shared_ptr<void> download;
    recordings_.withAllMemory([&] { download = staging_.start(from, static_cast<size_t>(bytes)); });
    return download;
  }
  const void* finishDownload(const std::shared_ptr<void>& download) override { return staging_.finish(download); }
  void zeroBytes(void* x, int64_t bytes) override { cuda::fillWithZero(stream_, x, static_cast<size_t>(bytes)); }
  void copyBytes(void* to, const void* from, int64_t bytes) override {
    cuda::copyOnDevice(stream_, to, from, static_cast<size_t>(bytes));
  }
  void copyEach(const Copy* copies, int64_t count) override {
    std::vector<cuda::CopyOf<T>> each;
    for (int64_t i = 0; i < count; ++i) each.push_back({of(copies[i].to), of(copies[i].from), copies[i].size});
    cuda::copyEach(stream_, each);
  }
  MemoryState memory() override { return cuda::memoryState(); }
  void toElements(Element* y, const float* x, int64_t size) override {
    if constexpr (kIsFloat) {
      copyBytes(y, x, size * elementBytes());
    } else {
      cuda::convert(stream_, of(y), x, size);
    }
  }
  void fromElements(float* y, const Element* x, int64_t size) override {
    if constexpr (kIsFloat) {
      copyBytes(y, x, size * elementBytes());
    } else {
      cuda::convert(stream_, y, of(x), size);
    }
  }

  std::string tuning() override { return products_.choices().text(); }
  void addTuning(const char* text) override {
    products_.addChoices(text);
    recordings_.clear();  // they call what was chosen before
  }
  void parametersChanged() override {
    recordings_.clear();  // they read what was derived
    roundedWeights_.clear();
    trained_.forgetTable();
  }
  void run(int64_t id, const std::function<void()>& work) override { recordings_.run(id, work); }
  void forget(int64_t id) override { recordings_.forget(id); }

  void patchesFromPixels(Element* y, const uint8_t* pixels, int64_t images, int64_t h, int64_t w, int64_t p) override {
    cuda::patchesFromPixels(stream_, of(y), pixels, images, h, w, p);
  }
  void patchesFromTensor(Element* y, const float* x, int64_t images, int64_t h, int64_t w, int64_t p) override {
    cuda::patchesFromTensor(stream_, of(y), x, images, h, w, p);
  }
  void embed(Element* y, const Element* patches, const float* cls, const float* registers, const float* positions,
             int64_t images, int64_t patchCount, int64_t registerCount, int64_t dim) override {
    cuda::embed(stream_, wide(y), wide(patches), cls, registers, positions, images, patchCount, registerCount, dim);
  }
  void takePatches(Element* y, const Element* const* tokens, const float* weights, int64_t count, int64_t images,
                   int64_t tokenCount, int64_t patchCount, int64_t dim) override {
    cuda::takePatches(stream_, of(y), termsOf(tokens, weights, count, tokenCount * dim), images, tokenCount, patchCount,
                      dim);
  }
  void groupMeans(Element* mean, Element* const* groups, const float* weights, int64_t groupCount,
                  const Element* const* tokens, int64_t count, int64_t images, int64_t tokenCount, int64_t patchCount,
                  int64_t dim) override {
    if (count > cuda::kMostAveraged || groupCount > cuda::kMostGroups) {
      Backend::groupMeans(mean, groups, weights, groupCount, tokens, count, images, tokenCount, patchCount, dim);
      return;
    }
    std::vector<T*> results;
    for (int64_t g = 0; g < groupCount; ++g) results.push_back(of(groups[g]));
    std::vector<const T*> averaged;
    for (int64_t i = 0; i < count; ++i) averaged.push_back(of(tokens[i]));
    cuda::groupMeans(stream_, of(mean), results, weights, averaged, images, tokenCount, patchCount, dim);
  }
  void putPatches(Element* dtokens, const Element* dpatches, float a, int64_t images, int64_t tokenCount,
                  int64_t patchCount, int64_t dim) override {
    cuda::putPatches(stream_, of(dtokens), of(dpatches), a, images, tokenCount, patchCount, dim);
  }

  Buffer allocateFrozenWeight(int64_t size) override {
    return kIsFloat ? allocate(size) : frozenWeights_.allocate(size);
  }
  void uploadWeight(float* to, const float* from, int64_t in, int64_t out) override {
    if (frozenWeights_.has(to)) {
      std::copy_n(from, in * out, to);
    } else {
      upload(to, from, in * out);
    }
  }
  void downloadWeight(float* to, const float* from, int64_t in, int64_t out) override {
    if (frozenWeights_.has(from)) {
      std::copy_n(from, in * out, to);
    } else {
      download(to, from, in * out);
    }
  }

  void linear(Element* y, const Element* x, const float* w, int64_t rows, int64_t in, int64_t out,
              const Epilogue& e) override {
    const bool gelu = e.activation == Activation::gelu;
    if constexpr (kIsFloat) {
      linearThenFinish(of(y), of(x), w, rows, in, out, e, gelu);
    } else if (e.wide) {
      linearOfRounded(wide(y), of(x), w, rows, in, out, e, gelu, wide(e.residual));
    } else {
      linearOfRounded(of(y), of(x), w, rows, in, out, e, gelu, of(e.residual));
    }
  }
  void linearInputGradient(Element* dx, const Element* dy, const float* w, int64_t rows, int64_t in,
                           int64_t out) override {
    products_.template multiply<T, T>(stream_, of(dx), {of(dy)}, {weightOf(w, in, out)}, rows, in, out, {});
  }
  void linearWeightGradient(float* dw, float* db, const Element* dy, const Element* x, int64_t rows, int64_t in,
                            int64_t out) override {
    products_.template multiply<T, float>(stream_, dw, {of(dy), true}, {of(x)}, out, in, rows, {});
    if (!db) return;
    const Buffer partials = allocate(cuda::columnSumPartials(rows, out));
    cuda::columnSums(stream_, db, partials.get(), of(dy), rows, out);
  }

  void gelu(Element* y, const Element* x, int64_t size) override { cuda::gelu(stream_, of(y), of(x), size); }
  void geluBackward(Element* x, Element* dy, float* db, int64_t rows, int64_t dim) override {
    const Buffer partials = allocate(cuda::columnSumPartials(rows, dim));
    cuda::geluBackward(stream_, of(x), of(dy), db, partials.get(), rows, dim);
  }
  void dropout(Element* y, const Element* x, int64_t rows, int64_t dim, const Dropout& d) override {
    cuda::dropout(stream_, of(y), of(x), rows, dim, d.rate, d.place, step());
  }
  void weightedSum(Element* y, const Element* const* xs, const float* weights, int64_t count, int64_t size) override {
    cuda::weightedSum(stream_, of(y), size, termsOf(xs, weights, count, size), 1, size);
  }

  void layerNorm(Element* y, float* mean, float* rstd, const Element* x, const float* weight, const float* bias,
                 int64_t rows, int64_t dim, float eps, bool isWide) override {
    if (isWide) {
      cuda::layerNorm(stream_, of(y), mean, rstd, wide(x), weight, bias, rows, dim, eps);
    } else {
      cuda::layerNorm(stream_, of(y), mean, rstd, of(x), weight, bias, rows, dim, eps);
    }
  }
  void layerNormGradient(Element* dx, float* dweight, float* dbias, const Element* dy, const Element* x,
                         const float* mean, const float* rstd, const float* weight, int64_t rows,
                         int64_t dim) override {
    const Buffer partials = allocate(cuda::layerNormPartials(rows, dim));
    cuda::layerNormGradient(stream_, of(dx), dweight, dbias, partials.get(), of(dy), of(x), mean, rstd, weight, rows,
                            dim);
  }

  void softmaxAttention(Element* y, const Element* qkv, int64_t images, int64_t tokens, int64_t heads,
                        int64_t headDim) override {
    const cuda::AttentionKernel kernel = cuda::attentionKernelFor<T>(images, tokens, heads, headDim, attentionDevice_);
    cuda::softmaxAttention(stream_, of(y), of(qkv), images, tokens, heads, headDim, kernel);
  }
  void linearAttention(Element* y, const Element* qkv, int64_t images, int64_t tokens, int64_t heads,
                       int64_t headDim) override {
    const cuda::LinearAttentionKernel kernel =
        cuda::linearAttentionKernelFor<T>({of(y), of(qkv)}, headDim, properties_.computeMajor);
    const Buffer scratch = allocate(cuda::linearAttentionScratch(images, tokens, heads, headDim, kernel));
    cuda::linearAttention(stream_, of(y), scratch.get(), of(qkv), images, tokens, heads, headDim, kernel);
  }
  void linearAttentionGradient(Element* dqkv, const Element* dy, const Element* qkv, int64_t images, int64_t tokens,
                               int64_t heads, int64_t headDim) override {
    const cuda::LinearAttentionKernel kernel =
        cuda::linearAttentionKernelFor<T>({of(dqkv), of(dy), of(qkv)}, headDim, properties_.computeMajor);
    const Buffer scratch = allocate(cuda::linearAttentionScratch(images, tokens, heads, headDim, kernel));
    cuda::linearAttentionGradient(stream_, of(dqkv), scratch.get(), of(dy), of(qkv), images, tokens, heads, headDim,
                                  kernel);
  }

  void cosineDistance(float* distance, const Element* e, const Element* d, int64_t rows, int64_t dim) override {
    cuda::cosineDistance(stream_, distance, of(e), of(d), rows, dim);
  }
  void anomalyMaps(float* maps, const float* const* distances, int64_t groups, int64_t images, int64_t rows,
                   int64_t cols, int64_t h, int64_t w) override {
    cuda::anomalyMaps(stream_, maps, {distances, distances + groups}, axis(rows, h), axis(cols, w), images, rows, cols);
  }
  void imageScores(float* scores, const float* maps, int64_t images) override {
    cuda::imageScores(stream_, scores, maps, images);
  }

  void setTrained(const TrainedTensor* tensors, int64_t count) override {
    trained_.set(tensors, count);
    parametersChanged();  // other copies of them are read from now on
  }
  void beginStep(const StepNumbers& numbers) override {
    uploadBytes(&step()->numbers, &numbers, sizeof numbers);
    cuda::beginStep(stream_, step());
  }
  void looseLoss(Element* dd, const Element* e, const Element* d, int64_t images, int64_t patches, int64_t dim,
                 float share) override {
    const Buffer scratch = allocate(cuda::looseLossScratch(images, patches));
    cuda::looseLoss(stream_, of(dd), step(), scratch.get(), of(e), of(d), images, patches, dim, share);
  }
  void optimizerStep() override { trained_.step(stream_, *this, step(), roundedWeights_); }
  StepOutcome stepOutcome() override {
    StepOutcome outcome;
    staging_.download(&outcome, &step()->outcome, sizeof outcome);
    const int64_t none = StepOutcome().failed;
    if (outcome.failed != none) uploadBytes(&step()->outcome.failed, &none, sizeof none);
    return outcome;
  }

 private:
  static constexpr bool kIsFloat = std::is_same_v<T, float>;

  static T* of(Element* x) { return reinterpret_cast<T*>(x); }
  static const T* of(const Element* x) { return reinterpret_cast<const T*>(x); }
  static float* wide(Element* x) { return reinterpret_cast<float*>(x); }
  static const float* wide(const Element* x) { return reinterpret_cast<const float*>(x); }
  static std::vector<cuda::Term<T>> termsOf(const Element* const* xs, const float* weights, int64_t count,
                                            int64_t stride) {
    std::vector<cuda::Term<T>> terms;
    for (int64_t i = 0; i < count; ++i) terms.push_back({of(xs[i]), weights[i], stride});
    return terms;
  }
  Step* step() const { return static_cast<Step*>(step_.data()); }

  /// A product's left factor, and what may hold it.
  struct Padded {
    const bf16* x;
    int64_t in;
    Activations copy;
  };
  /// cuBLASLt's quick kernels want rows at 16 bytes: x (rows, in), or a copy that is longer by zeros. For a weight that
  /// the optimiser writes, whose rounded copy must be dense, x itself.
  Padded paddedFor(const bf16* x, const float* w, int64_t rows, int64_t in) {
    const int64_t stride = cuda::paddedRow(in);
    if (stride == in || trained_.has(w)) return {x, in, nullptr};
    Activations copy = allocateActivations(rows * stride);
    auto* const there = reinterpret_cast<bf16*>(copy.get());
    cuda::padRows(stream_, there, x, rows, in);
    return {there, stride, std::move(copy)};
  }

  /// What products read of a weight (out, in).
  const T* weightOf(const float* w, int64_t in, int64_t out) {
    if constexpr (kIsFloat) {
      return w;
    } else {
      return roundedWeights_.of(w, nullptr, out, in);
    }
  }

  /// A product of bf16, for a result of either type: LayerScale lies in the rounded weights, everything else in the
  /// product's epilogue.
  template <typename Y>
  void linearOfRounded(Y* y, const bf16* x, const float* w, int64_t rows, int64_t in, int64_t out, const Epilogue& e,
                       bool gelu, const Y* residual) {
    const Padded padded = paddedFor(x, w, rows, in);
    const bf16* const weight = roundedWeights_.of(w, e.scale, out, in, padded.in);
    products_.multiply<bf16, Y>(stream_, y, {padded.x}, {weight, true}, rows, out, padded.in,
                                {biasOf<Y>(e, out), gelu, residual});
  }

  /// cuBLASLt wants it in the result's type.
  template <typename Y>
  const Y* biasOf(const Epilogue& e, int64_t out) {
    if constexpr (std::is_same_v<Y, float>) {
      if (!e.scale) return e.bias;
    }
    return e.bias ? roundedWeights_.template of<Y>(e.bias, e.scale, out, 1, 1) : nullptr;
  }

  /// A product of floats, and what its epilogue cannot do in a pass of its own.
  void linearThenFinish(float* y, const float* x, const float* w, int64_t rows, int64_t in, int64_t out,
                        const Epilogue& e, bool gelu) {
    const auto* const residual = reinterpret_cast<const float*>(e.residual);
    if (!gelu && !e.scale) {
      products_.multiply<float, float>(stream_, y, {x}, {w, true}, rows, out, in, {e.bias, false, residual});
      return;
    }
    const bool onItself = residual == y;  // which the product must not overwrite
    const Buffer apart = onItself ? allocate(rows * out) : Buffer();
    float* const product = onItself ? apart.get() : y;
    products_.multiply<float, float>(stream_, product, {x}, {w, true}, rows, out, in, {});
    cuda::finishLinear(stream_, y, product, rows, out, e.bias, gelu, e.scale, residual);
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

  // In this order: what comes later uses what comes before.
  cuda::OwnedStream stream_;
  std::shared_ptr<BufferPool> pool_;
  cuda::Recordings recordings_;
  cuda::Staging staging_;
  cuda::Products products_;
  cuda::DeviceMemory step_;
  cuda::Properties properties_ = cuda::properties();
  cuda::AttentionDevice attentionDevice_ = {properties_.computeMajor, properties_.processors,
                                            properties_.computeMajor == 9 && cuda::hasWarpgroupAttention()};
  cuda::FrozenWeights frozenWeights_;
  cuda::RoundedWeights roundedWeights_{*this, stream_, frozenWeights_};
  cuda::Trained trained_;
  std::map<std::pair<int64_t, int64_t>, Buffer> axes_;
};

}  // namespace

std::unique_ptr<Backend> makeCudaBackend(Precision precision, cuda::Choosing choosing) {
  if (precision == Precision::bf16) return std::make_unique<CudaBackend<bf16>>(precision, choosing);
  return std::make_unique<CudaBackend<float>>(precision, choosing);
}

}  // namespace dinomaly
