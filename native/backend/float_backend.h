// For backends whose activations are f32 in the host's memory, and which have nothing to record: the operations with
// Element as float, and the training step made of simpler ones.
#pragma once

#include <vector>

#include "backend/backend.h"

namespace dinomaly {

/// Numbers of one optimiser step of one tensor.
struct OptimizerStep {
  double learningRate, beta1 = 0.9, beta2 = 0.999, eps = 1e-10, weightDecay = 1e-4;
  double gradientScale = 1;  // from clipping
  int64_t t = 1;             // counted from 1
};

/// linear()'s Epilogue, and what dropout() draws from.
struct FloatEpilogue {
  const float* bias = nullptr;
  Activation activation = Activation::none;
  const float *scale = nullptr, *residual = nullptr;
  bool mayRound = false;
};
struct FloatDropout {
  float rate;
  uint64_t seed;
  uint32_t iteration, place;
};

class FloatBackend : public Backend {
 public:
  // As Backend's of the same names.
  virtual void patchesFromPixels(float* y, const uint8_t* pixels, int64_t images, int64_t h, int64_t w, int64_t p) = 0;
  virtual void patchesFromTensor(float* y, const float* x, int64_t images, int64_t h, int64_t w, int64_t p) = 0;
  virtual void embed(float* y, const float* patches, const float* cls, const float* registers, const float* positions,
                     int64_t images, int64_t patchCount, int64_t registerCount, int64_t dim) = 0;
  virtual void linear(float* y, const float* x, const float* w, int64_t rows, int64_t in, int64_t out,
                      const FloatEpilogue& epilogue) = 0;
  virtual void linearInputGradient(float* dx, const float* dy, const float* w, int64_t rows, int64_t in,
                                   int64_t out) = 0;
  virtual void linearWeightGradient(float* dw, float* db, const float* dy, const float* x, int64_t rows, int64_t in,
                                    int64_t out) = 0;
  virtual void gelu(float* y, const float* x, int64_t size) = 0;
  virtual void geluBackward(float* x, float* dy, float* db, int64_t rows, int64_t dim) = 0;
  virtual void layerNorm(float* y, float* mean, float* rstd, const float* x, const float* weight, const float* bias,
                         int64_t rows, int64_t dim, float eps) = 0;
  virtual void layerNormGradient(float* dx, float* dweight, float* dbias, const float* dy, const float* x,
                                 const float* mean, const float* rstd, const float* weight, int64_t rows,
                                 int64_t dim) = 0;
  virtual void softmaxAttention(float* y, const float* qkv, int64_t images, int64_t tokens, int64_t heads,
                                int64_t headDim) = 0;
  virtual void linearAttention(float* y, const float* qkv, int64_t images, int64_t tokens, int64_t heads,
                               int64_t headDim) = 0;
  virtual void linearAttentionGradient(float* dqkv, const float* dy, const float* qkv, int64_t images, int64_t tokens,
                                       int64_t heads, int64_t headDim) = 0;
  virtual void dropout(float* y, const float* x, int64_t rows, int64_t dim, const FloatDropout& dropout) = 0;
  virtual void weightedSum(float* y, const float* const* xs, const float* weights, int64_t count, int64_t size) = 0;
  virtual void takePatches(float* y, const float* const* tokens, const float* weights, int64_t count, int64_t images,
                           int64_t tokenCount, int64_t patchCount, int64_t dim) = 0;
  virtual void putPatches(float* dtokens, const float* dpatches, float a, int64_t images, int64_t tokenCount,
                          int64_t patchCount, int64_t dim) = 0;
  virtual void cosineDistance(float* distance, const float* e, const float* d, int64_t rows, int64_t dim) = 0;
  /// Returns the group's loss; dd = weight * its gradient; `hardest` as StepNumbers says.
  virtual double looseLoss(float* dd, const float* e, const float* d, int64_t images, int64_t patches, int64_t dim,
                           int64_t hardest, float weight) = 0;
  /// Sum of squares; chunks of it are added in double.
  virtual double squaredNorm(const float* x, int64_t size) = 0;
  /// Of one tensor, g multiplied by gradientScale.
  virtual void stableAdamW(float* p, float* m, float* v, float* vmax, const float* g, int64_t size,
                           const OptimizerStep& step) = 0;

  void uploadBytes(void* to, const void* from, int64_t bytes) final;
  void uploadEach(void* to, const void* const* from, int64_t count, int64_t bytes) final;
  void downloadBytes(void* to, const void* from, int64_t bytes) final;
  std::shared_ptr<void> startDownload(const void* from, int64_t bytes) final;
  const void* finishDownload(const std::shared_ptr<void>& download) final { return download.get(); }
  void zeroBytes(void* x, int64_t bytes) final;
  void copyBytes(void* to, const void* from, int64_t bytes) final;
  void copyEach(const Copy* copies, int64_t count) final;
  MemoryState memory() final { return {}; }
  int64_t elementBytes() const final { return sizeof(float); }
  bool recomputes() const final { return false; }
  void toElements(Element* y, const float* x, int64_t size) final;
  void fromElements(float* y, const Element* x, int64_t size) final;
  std::string tuning() final { return {}; }
  void addTuning(const char*) final {}
  void parametersChanged() override {}
  void run(int64_t, const std::function<void()>& work) final { work(); }
  void forget(int64_t) final {}

  void patchesFromPixels(Element* y, const uint8_t* pixels, int64_t images, int64_t h, int64_t w, int64_t p) final;
  void patchesFromTensor(Element* y, const float* x, int64_t images, int64_t h, int64_t w, int64_t p) final;
  void embed(Element* y, const Element* patches, const float* cls, const float* registers, const float* positions,
             int64_t images, int64_t patchCount, int64_t registerCount, int64_t dim) final;
  void linear(Element* y, const Element* x, const float* w, int64_t rows, int64_t in, int64_t out,
              const Epilogue& epilogue) final;
  void linearInputGradient(Element* dx, const Element* dy, const float* w, int64_t rows, int64_t in, int64_t out) final;
  void linearWeightGradient(float* dw, float* db, const Element* dy, const Element* x, int64_t rows, int64_t in,
                            int64_t out) final;
  void gelu(Element* y, const Element* x, int64_t size) final;
  void geluBackward(Element* x, Element* dy, float* db, int64_t rows, int64_t dim) final;
  void layerNorm(Element* y, float* mean, float* rstd, const Element* x, const float* weight, const float* bias,
                 int64_t rows, int64_t dim, float eps, bool wide) final;
  void layerNormGradient(Element* dx, float* dweight, float* dbias, const Element* dy, const Element* x,
                         const float* mean, const float* rstd, const float* weight, int64_t rows, int64_t dim) final;
  void softmaxAttention(Element* y, const Element* qkv, int64_t images, int64_t tokens, int64_t heads,
                        int64_t headDim) final;
  void linearAttention(Element* y, const Element* qkv, int64_t images, int64_t tokens, int64_t heads,
                       int64_t headDim) final;
  void linearAttentionGradient(Element* dqkv, const Element* dy, const Element* qkv, int64_t images, int64_t tokens,
                               int64_t heads, int64_t headDim) final;
  void dropout(Element* y, const Element* x, int64_t rows, int64_t dim, const Dropout& dropout) final;
  void weightedSum(Element* y, const Element* const* xs, const float* weights, int64_t count, int64_t size) final;
  void takePatches(Element* y, const Element* const* tokens, const float* weights, int64_t count, int64_t images,
                   int64_t tokenCount, int64_t patchCount, int64_t dim) final;
  void putPatches(Element* dtokens, const Element* dpatches, float a, int64_t images, int64_t tokenCount,
                  int64_t patchCount, int64_t dim) final;
  void cosineDistance(float* distance, const Element* e, const Element* d, int64_t rows, int64_t dim) final;

  void setTrained(const TrainedTensor* tensors, int64_t count) final;
  void beginStep(const StepNumbers& numbers) final;
  void looseLoss(Element* dd, const Element* e, const Element* d, int64_t images, int64_t patches, int64_t dim,
                 float share) final;
  void optimizerStep() final;
  StepOutcome stepOutcome() final;

 private:
  std::vector<TrainedTensor> trained_;
  StepNumbers numbers_;
  StepOutcome outcome_;
};

}  // namespace dinomaly
