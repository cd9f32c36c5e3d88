#include "backend/library/library_backend.h"

#include <exception>
#include <utility>

#include "core/error.h"

namespace dinomaly {
namespace {

using library::Created;
using library::Failure;
using library::Interface;
using library::Settings;

void check(int32_t failed, const Failure& failure) {
  if (failed) throw Error(failure.code, failure.message);
}

/// The library's side of it, which its memory keeps alive.
struct Handle {
  const Interface& library;
  Created created{};

  Handle(const Interface& from, const Settings& settings) : library(from) {
    Failure failure{};
    check(library.create(&settings, &created, &failure), failure);
  }
  ~Handle() { library.destroy(created.backend); }
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;
};

/// Work that a library calls back, which no exception may leave.
struct Callback {
  const std::function<void()>& work;
  std::exception_ptr thrown;

  static int32_t call(void* context) noexcept {
    auto& self = *static_cast<Callback*>(context);
    try {
      self.work();
      return 0;
    } catch (...) {
      self.thrown = std::current_exception();
      return 1;
    }
  }
};

class LibraryBackend : public Backend {
 public:
  LibraryBackend(const Interface& library, const Settings& settings)
      : handle_(std::make_shared<const Handle>(library, settings)) {}

  int64_t elementBytes() const override { return handle_->created.elementBytes; }
  int64_t imagesAtOnce() const override { return handle_->created.imagesAtOnce; }
  bool recomputes() const override { return handle_->created.recomputes != 0; }

  std::shared_ptr<void> allocateBytes(int64_t bytes) override {
    void* block = nullptr;
    call(library().allocate, bytes, &block);
    return owned(block);
  }
  Buffer allocateFrozenWeight(int64_t size) override {
    void* block = nullptr;
    call(library().allocateFrozenWeight, size, &block);
    return std::static_pointer_cast<float>(owned(block));
  }
  std::string tuning() override {
    std::string text;
    void* const context = &text;
    call(
        library().tuning, [](void* to, const char* found) { *static_cast<std::string*>(to) = found; }, context);
    return text;
  }
  MemoryState memory() override {
    MemoryState state;
    call(library().memory, &state);
    return state;
  }
  std::shared_ptr<void> startDownload(const void* from, int64_t bytes) override {
    void* download = nullptr;
    call(library().startDownload, from, bytes, &download);
    return {download,
            [handle = handle_](void* dropped) { handle->library.dropDownload(handle->created.backend, dropped); }};
  }
  const void* finishDownload(const std::shared_ptr<void>& download) override {
    const void* to = nullptr;
    call(library().finishDownload, download.get(), &to);
    return to;
  }
  void run(int64_t id, const std::function<void()>& work) override {
    Callback callback{work, nullptr};
    Failure failure{};
    const int32_t failed = library().run(handle_->created.backend, &failure, id, Callback::call, &callback);
    if (callback.thrown) std::rethrow_exception(callback.thrown);
    check(failed, failure);
  }
  StepOutcome stepOutcome() override {
    StepOutcome outcome;
    call(library().stepOutcome, &outcome);
    return outcome;
  }

  void uploadBytes(void* to, const void* from, int64_t bytes) override { call(library().uploadBytes, to, from, bytes); }
  void uploadEach(void* to, const void* const* from, int64_t count, int64_t bytes) override {
    call(library().uploadEach, to, from, count, bytes);
  }
  void downloadBytes(void* to, const void* from, int64_t bytes) override {
    call(library().downloadBytes, to, from, bytes);
  }
  void zeroBytes(void* x, int64_t bytes) override { call(library().zeroBytes, x, bytes); }
  void copyBytes(void* to, const void* from, int64_t bytes) override { call(library().copyBytes, to, from, bytes); }
  void copyEach(const Copy* copies, int64_t count) override { call(library().copyEach, copies, count); }
  void toElements(Element* y, const float* x, int64_t size) override { call(library().toElements, y, x, size); }
  void fromElements(float* y, const Element* x, int64_t size) override { call(library().fromElements, y, x, size); }
  void addTuning(const char* text) override { call(library().addTuning, text); }
  void parametersChanged() override { call(library().parametersChanged); }
  void forget(int64_t id) override { call(library().forget, id); }
  void patchesFromPixels(Element* y, const uint8_t* pixels, int64_t images, int64_t h, int64_t w, int64_t p) override {
    call(library().patchesFromPixels, y, pixels, images, h, w, p);
  }
  void patchesFromTensor(Element* y, const float* x, int64_t images, int64_t h, int64_t w, int64_t p) override {
    call(library().patchesFromTensor, y, x, images, h, w, p);
  }
  void embed(Element* y, const Element* patches, const float* cls, const float* registers, const float* positions,
             int64_t images, int64_t patchCount, int64_t registerCount, int64_t dim) override {
    call(library().embed, y, patches, cls, registers, positions, images, patchCount, registerCount, dim);
  }
  void uploadWeight(float* to, const float* from, int64_t in, int64_t out) override {
    call(library().uploadWeight, to, from, in, out);
  }
  void downloadWeight(float* to, const float* from, int64_t in, int64_t out) override {
    call(library().downloadWeight, to, from, in, out);
  }
  void linear(Element* y, const Element* x, const float* w, int64_t rows, int64_t in, int64_t out,
              const Epilogue& epilogue) override {
    call(library().linear, y, x, w, rows, in, out, epilogue);
  }
  void linearInputGradient(Element* dx, const Element* dy, const float* w, int64_t rows, int64_t in,
                           int64_t out) override {
    call(library().linearInputGradient, dx, dy, w, rows, in, out);
  }
  void linearWeightGradient(float* dw, float* db, const Element* dy, const Element* x, int64_t rows, int64_t in,
                            int64_t out) override {
    call(library().linearWeightGradient, dw, db, dy, x, rows, in, out);
  }
  void gelu(Element* y, const Element* x, int64_t size) override { call(library().gelu, y, x, size); }
  void geluBackward(Element* x, Element* dy, float* db, int64_t rows, int64_t dim) override {
    call(library().geluBackward, x, dy, db, rows, dim);
  }
  void layerNorm(Element* y, float* mean, float* rstd, const Element* x, const float* weight, const float* bias,
                 int64_t rows, int64_t dim, float eps, bool wide) override {
    call(library().layerNorm, y, mean, rstd, x, weight, bias, rows, dim, eps, wide);
  }
  void layerNormGradient(Element* dx, float* dweight, float* dbias, const Element* dy, const Element* x,
                         const float* mean, const float* rstd, const float* weight, int64_t rows,
                         int64_t dim) override {
    call(library().layerNormGradient, dx, dweight, dbias, dy, x, mean, rstd, weight, rows, dim);
  }
  void softmaxAttention(Element* y, const Element* qkv, int64_t images, int64_t tokens, int64_t heads,
                        int64_t headDim) override {
    call(library().softmaxAttention, y, qkv, images, tokens, heads, headDim);
  }
  void linearAttention(Element* y, const Element* qkv, int64_t images, int64_t tokens, int64_t heads,
                       int64_t headDim) override {
    call(library().linearAttention, y, qkv, images, tokens, heads, headDim);
  }
  void linearAttentionGradient(Element* dqkv, const Element* dy, const Element* qkv, int64_t images, int64_t tokens,
                               int64_t heads, int64_t headDim) override {
    call(library().linearAttentionGradient, dqkv, dy, qkv, images, tokens, heads, headDim);
  }
  void dropout(Element* y, const Element* x, int64_t rows, int64_t dim, const Dropout& dropout) override {
    call(library().dropout, y, x, rows, dim, dropout);
  }
  void weightedSum(Element* y, const Element* const* xs, const float* weights, int64_t count, int64_t size) override {
    call(library().weightedSum, y, xs, weights, count, size);
  }
  void takePatches(Element* y, const Element* const* tokens, const float* weights, int64_t count, int64_t images,
                   int64_t tokenCount, int64_t patchCount, int64_t dim) override {
    call(library().takePatches, y, tokens, weights, count, images, tokenCount, patchCount, dim);
  }
  void groupMeans(Element* mean, Element* const* groups, const float* weights, int64_t groupCount,
                  const Element* const* tokens, int64_t count, int64_t images, int64_t tokenCount, int64_t patchCount,
                  int64_t dim) override {
    call(library().groupMeans, mean, groups, weights, groupCount, tokens, count, images, tokenCount, patchCount, dim);
  }
  void putPatches(Element* dtokens, const Element* dpatches, float a, int64_t images, int64_t tokenCount,
                  int64_t patchCount, int64_t dim) override {
    call(library().putPatches, dtokens, dpatches, a, images, tokenCount, patchCount, dim);
  }
  void cosineDistance(float* distance, const Element* e, const Element* d, int64_t rows, int64_t dim) override {
    call(library().cosineDistance, distance, e, d, rows, dim);
  }
  void anomalyMaps(float* maps, const float* const* distances, int64_t groups, int64_t images, int64_t rows,
                   int64_t cols, int64_t h, int64_t w) override {
    call(library().anomalyMaps, maps, distances, groups, images, rows, cols, h, w);
  }
  void imageScores(float* scores, const float* maps, int64_t images) override {
    call(library().imageScores, scores, maps, images);
  }
  void setTrained(const TrainedTensor* tensors, int64_t count) override { call(library().setTrained, tensors, count); }
  void beginStep(const StepNumbers& numbers) override { call(library().beginStep, numbers); }
  void looseLoss(Element* dd, const Element* e, const Element* d, int64_t images, int64_t patches, int64_t dim,
                 float share) override {
    call(library().looseLoss, dd, e, d, images, patches, dim, share);
  }
  void optimizerStep() override { call(library().optimizerStep); }

 private:
  const Interface& library() const { return handle_->library; }
  std::shared_ptr<void> owned(void* block) const {
    return {block, [handle = handle_](void* freed) { handle->library.release(handle->created.backend, freed); }};
  }

  template <typename... Parameters, typename... Arguments>
  void call(int32_t (*function)(void*, Failure*, Parameters...), const Arguments&... arguments) {
    Failure failure{};
    check(function(handle_->created.backend, &failure, arguments...), failure);
  }

  std::shared_ptr<const Handle> handle_;
};

}  // namespace

std::unique_ptr<Backend> makeLibraryBackend(const Interface& library, const Settings& settings) {
  return std::make_unique<LibraryBackend>(library, settings);
}

}  // namespace dinomaly
