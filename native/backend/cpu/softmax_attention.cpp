#include <algorithm>
#include <cmath>
#include <vector>

#include "backend/cpu/cpu_backend.h"
#include "backend/cpu/matmul.h"
#include "backend/cpu/vector_math.h"

namespace dinomaly {
namespace {

constexpr int64_t kTileRows = 144;  // queries at a time; depends on nothing else, so neither do the sums inside

/// exp(scale * (row - its largest)) in place; the sum is returned.
float exponentials(float* row, int64_t n, float scale) {
  float top = row[0], sum = 0;
#pragma omp simd reduction(max : top)
  for (int64_t j = 0; j < n; ++j) top = std::max(top, row[j]);
#pragma omp simd reduction(+ : sum)
  for (int64_t j = 0; j < n; ++j) {
    row[j] = vectorExp(scale * (row[j] - top));
    sum += row[j];
  }
  return sum;
}

}  // namespace

void CpuBackend::softmaxAttention(float* y, const float* qkv, int64_t images, int64_t tokens, int64_t heads,
                                  int64_t headDim) {
  // A task is a tile of queries of one head: its scores against all keys fit in the second-level cache.
  const int64_t dim = heads * headDim, blocks = (tokens + kTileRows - 1) / kTileRows;
  const float scale = 1.0f / std::sqrt(static_cast<float>(headDim));
  threads_.run(images * heads * blocks, [&](int64_t task) {
    const int64_t image = task / (heads * blocks), head = task / blocks % heads, first = task % blocks * kTileRows;
    const int64_t count = std::min(kTileRows, tokens - first);
    const float* q = qkv + image * tokens * 3 * dim + head * headDim;
    const float *k = q + dim, *v = q + 2 * dim;
    thread_local std::vector<float> scores;
    scores.resize(static_cast<size_t>(kTileRows * tokens));
    multiply(scores.data(), tokens, {q + first * 3 * dim, 3 * dim}, {k, 3 * dim, true}, count, tokens, headDim);
    float sums[kTileRows];
    for (int64_t i = 0; i < count; ++i) sums[i] = exponentials(scores.data() + i * tokens, tokens, scale);
    float* out = y + (image * tokens + first) * dim + head * headDim;
    multiply(out, dim, {scores.data(), tokens}, {v, 3 * dim}, count, headDim, tokens);
    for (int64_t i = 0; i < count; ++i) {  // of what is summed, not of each of the many summands
      const float share = 1.0f / sums[i];
      for (int64_t c = 0; c < headDim; ++c) out[i * dim + c] *= share;
    }
  });
}

}  // namespace dinomaly
