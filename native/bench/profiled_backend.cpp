#include "bench/profiled_backend.h"

#include <initializer_list>

namespace dinomaly::bench {
namespace {

/// "linear 401x384x1152"
std::string shaped(std::string name, std::initializer_list<int64_t> sizes) {
  char separator = ' ';
  for (const int64_t size : sizes) {
    name += separator + std::to_string(size);
    separator = 'x';
  }
  return name;
}

double flopsOf(int64_t matrices, int64_t m, int64_t k, int64_t n) {
  return 2.0 * static_cast<double>(matrices * m) * static_cast<double>(k * n);
}

}  // namespace

void ProfiledBackend::patchesFromPixels(float* y, const uint8_t* pixels, int64_t images, int64_t h, int64_t w,
                                        int64_t p) {
  time("patchesFromPixels", 0, [&] { CpuBackend::patchesFromPixels(y, pixels, images, h, w, p); });
}

void ProfiledBackend::embed(float* y, const float* patches, const float* cls, const float* registers,
                            const float* positions, int64_t images, int64_t patchCount, int64_t registerCount,
                            int64_t dim) {
  time("embed", 0,
       [&] { CpuBackend::embed(y, patches, cls, registers, positions, images, patchCount, registerCount, dim); });
}

void ProfiledBackend::linear(float* y, const float* x, const float* w, int64_t rows, int64_t in, int64_t out,
                             const FloatEpilogue& e) {
  std::string name = shaped("linear", {rows, in, out});
  if (e.activation == Activation::gelu) name += " gelu";
  if (e.scale) name += " scale";
  if (e.residual) name += " residual";
  time(name, flopsOf(1, rows, in, out), [&] { CpuBackend::linear(y, x, w, rows, in, out, e); });
}

void ProfiledBackend::layerNorm(float* y, float* mean, float* rstd, const float* x, const float* weight,
                                const float* bias, int64_t rows, int64_t dim, float eps) {
  time("layerNorm", 0, [&] { CpuBackend::layerNorm(y, mean, rstd, x, weight, bias, rows, dim, eps); });
}

void ProfiledBackend::softmaxAttention(float* y, const float* qkv, int64_t images, int64_t tokens, int64_t heads,
                                       int64_t headDim) {
  time(shaped("softmaxAttention", {images * heads, tokens, headDim}),
       2 * flopsOf(images * heads, tokens, headDim, tokens),
       [&] { CpuBackend::softmaxAttention(y, qkv, images, tokens, heads, headDim); });
}

void ProfiledBackend::linearAttention(float* y, const float* qkv, int64_t images, int64_t tokens, int64_t heads,
                                      int64_t headDim) {
  time(shaped("linearAttention", {images * heads, tokens, headDim}),
       2 * flopsOf(images * heads, tokens, headDim, headDim),
       [&] { CpuBackend::linearAttention(y, qkv, images, tokens, heads, headDim); });
}

void ProfiledBackend::weightedSum(float* y, const float* const* xs, const float* weights, int64_t count, int64_t size) {
  time("weightedSum", 0, [&] { CpuBackend::weightedSum(y, xs, weights, count, size); });
}

void ProfiledBackend::takePatches(float* y, const float* const* tokens, const float* weights, int64_t count,
                                  int64_t images, int64_t tokenCount, int64_t patchCount, int64_t dim) {
  time("takePatches", 0,
       [&] { CpuBackend::takePatches(y, tokens, weights, count, images, tokenCount, patchCount, dim); });
}

void ProfiledBackend::cosineDistance(float* distance, const float* e, const float* d, int64_t rows, int64_t dim) {
  time("cosineDistance", 0, [&] { CpuBackend::cosineDistance(distance, e, d, rows, dim); });
}

void ProfiledBackend::anomalyMaps(float* maps, const float* const* distances, int64_t groups, int64_t images,
                                  int64_t rows, int64_t cols, int64_t h, int64_t w) {
  time("anomalyMaps", 0, [&] { CpuBackend::anomalyMaps(maps, distances, groups, images, rows, cols, h, w); });
}

void ProfiledBackend::imageScores(float* scores, const float* maps, int64_t images) {
  time("imageScores", 0, [&] { CpuBackend::imageScores(scores, maps, images); });
}

}  // namespace dinomaly::bench
