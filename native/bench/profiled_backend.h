// The CPU's backend with a stopwatch at each operation of scoring.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <utility>

#include "backend/cpu/cpu_backend.h"

namespace dinomaly::bench {

/// What one operation took at one shape, over all calls.
struct Taken {
  int64_t calls = 0;
  double seconds = 0, flops = 0;  // flops: of products, 0 where there are none
};

class ProfiledBackend : public CpuBackend {
 public:
  using CpuBackend::CpuBackend;

  /// By operation and shape.
  const std::map<std::string, Taken>& taken() const { return taken_; }
  void forget() { taken_.clear(); }

  void patchesFromPixels(float* y, const uint8_t* pixels, int64_t images, int64_t h, int64_t w, int64_t p) override;
  void embed(float* y, const float* patches, const float* cls, const float* registers, const float* positions,
             int64_t images, int64_t patchCount, int64_t registerCount, int64_t dim) override;
  void linear(float* y, const float* x, const float* w, int64_t rows, int64_t in, int64_t out,
              const FloatEpilogue& epilogue) override;
  void layerNorm(float* y, float* mean, float* rstd, const float* x, const float* weight, const float* bias,
                 int64_t rows, int64_t dim, float eps) override;
  void softmaxAttention(float* y, const float* qkv, int64_t images, int64_t tokens, int64_t heads,
                        int64_t headDim) override;
  void linearAttention(float* y, const float* qkv, int64_t images, int64_t tokens, int64_t heads,
                       int64_t headDim) override;
  void weightedSum(float* y, const float* const* xs, const float* weights, int64_t count, int64_t size) override;
  void takePatches(float* y, const float* const* tokens, const float* weights, int64_t count, int64_t images,
                   int64_t tokenCount, int64_t patchCount, int64_t dim) override;
  void cosineDistance(float* distance, const float* e, const float* d, int64_t rows, int64_t dim) override;
  void anomalyMaps(float* maps, const float* const* distances, int64_t groups, int64_t images, int64_t rows,
                   int64_t cols, int64_t h, int64_t w) override;
  void imageScores(float* scores, const float* maps, int64_t images) override;

 private:
  template <typename Operation>
  void time(const std::string& name, double flops, const Operation& operation) {
    const auto begin = std::chrono::steady_clock::now();
    operation();
    Taken& taken = taken_[name];
    taken.seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    taken.flops += flops;
    ++taken.calls;
  }

  std::map<std::string, Taken> taken_;
};

}  // namespace dinomaly::bench
