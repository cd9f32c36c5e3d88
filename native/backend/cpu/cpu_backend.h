// The CPU's implementation of every operation in backend.h; one source file per family.
#pragma once

#include "backend/buffer_pool.h"
#include "backend/cpu/int8_weights.h"
#include "backend/float_backend.h"
#include "core/thread_pool.h"

namespace dinomaly {

class CpuBackend : public FloatBackend {
 public:
  CpuBackend(int threads, CpuPrecision precision);
  int64_t imagesAtOnce() const override { return 1; }  // one picture fills all cores, and its activations stay in cache

  // memory.cpp
  std::shared_ptr<void> allocateBytes(int64_t bytes) override;

  // tokens.cpp
  void patchesFromPixels(float* y, const uint8_t* pixels, int64_t images, int64_t h, int64_t w, int64_t p) override;
  void patchesFromTensor(float* y, const float* x, int64_t images, int64_t h, int64_t w, int64_t p) override;
  void embed(float* y, const float* patches, const float* cls, const float* registers, const float* positions,
             int64_t images, int64_t patchCount, int64_t registerCount, int64_t dim) override;
  void takePatches(float* y, const float* const* tokens, const float* weights, int64_t count, int64_t images,
                   int64_t tokenCount, int64_t patchCount, int64_t dim) override;
  void putPatches(float* dtokens, const float* dpatches, float a, int64_t images, int64_t tokenCount,
                  int64_t patchCount, int64_t dim) override;

  // linear.cpp
  void uploadWeight(float* to, const float* from, int64_t in, int64_t out) override;
  void downloadWeight(float* to, const float* from, int64_t in, int64_t out) override;
  void linear(float* y, const float* x, const float* w, int64_t rows, int64_t in, int64_t out,
              const FloatEpilogue& epilogue) override;
  void linearInputGradient(float* dx, const float* dy, const float* w, int64_t rows, int64_t in, int64_t out) override;
  void linearWeightGradient(float* dw, float* db, const float* dy, const float* x, int64_t rows, int64_t in,
                            int64_t out) override;

  // elementwise.cpp
  void gelu(float* y, const float* x, int64_t size) override;
  void geluBackward(float* x, float* dy, float* db, int64_t rows, int64_t dim) override;
  void dropout(float* y, const float* x, int64_t rows, int64_t dim, const FloatDropout& dropout) override;
  void weightedSum(float* y, const float* const* xs, const float* weights, int64_t count, int64_t size) override;

  // layer_norm.cpp
  void layerNorm(float* y, float* mean, float* rstd, const float* x, const float* weight, const float* bias,
                 int64_t rows, int64_t dim, float eps) override;
  void layerNormGradient(float* dx, float* dweight, float* dbias, const float* dy, const float* x, const float* mean,
                         const float* rstd, const float* weight, int64_t rows, int64_t dim) override;

  // softmax_attention.cpp, linear_attention.cpp
  void softmaxAttention(float* y, const float* qkv, int64_t images, int64_t tokens, int64_t heads,
                        int64_t headDim) override;
  void linearAttention(float* y, const float* qkv, int64_t images, int64_t tokens, int64_t heads,
                       int64_t headDim) override;
  void linearAttentionGradient(float* dqkv, const float* dy, const float* qkv, int64_t images, int64_t tokens,
                               int64_t heads, int64_t headDim) override;

  // loss.cpp
  void cosineDistance(float* distance, const float* e, const float* d, int64_t rows, int64_t dim) override;
  double looseLoss(float* dd, const float* e, const float* d, int64_t images, int64_t patches, int64_t dim, int64_t k,
                   float weight) override;

  // maps.cpp
  void anomalyMaps(float* maps, const float* const* distances, int64_t groups, int64_t images, int64_t rows,
                   int64_t cols, int64_t h, int64_t w) override;
  void imageScores(float* scores, const float* maps, int64_t images) override;

  // optimizer.cpp
  double squaredNorm(const float* x, int64_t size) override;
  void stableAdamW(float* p, float* m, float* v, float* vmax, const float* g, int64_t size,
                   const OptimizerStep& step) override;

  // int8_linear.cpp
  void parametersChanged() override;

 private:
  /// linear() of bytes; rounds x row by row.
  void linearOfBytes(float* y, const float* x, const float* w, int64_t rows, int64_t in, int64_t out,
                     const FloatEpilogue& epilogue);

  ThreadPool threads_;
  std::shared_ptr<BufferPool> pool_;
  std::unique_ptr<Int8Weights> bytes_;  // null: all is f32
};

}  // namespace dinomaly
