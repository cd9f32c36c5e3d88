#include <algorithm>
#include <cmath>

#include "backend/cpu/cpu_backend.h"
#include "backend/cpu/row_parts.h"

namespace dinomaly {
namespace {

/// With n = (x - mean) * rstd and g = dy * weight: dx += rstd * (g - mean(g) - n * mean(g * n)), dweight += dy * n,
/// dbias += dy.
void rowGradient(float* dx, float* dweight, float* dbias, const float* dy, const float* x, float mean, float rstd,
                 const float* weight, int64_t dim) {
  float sum = 0, product = 0;
#pragma omp simd reduction(+ : sum, product)
  for (int64_t i = 0; i < dim; ++i) {
    const float g = dy[i] * weight[i];
    sum += g;
    product += g * (x[i] - mean) * rstd;
  }
  sum /= static_cast<float>(dim);
  product /= static_cast<float>(dim);
#pragma omp simd
  for (int64_t i = 0; i < dim; ++i) {
    const float n = (x[i] - mean) * rstd;
    dx[i] += rstd * (dy[i] * weight[i] - sum - n * product);
    dweight[i] += dy[i] * n;
    dbias[i] += dy[i];
  }
}

}  // namespace

void CpuBackend::layerNorm(float* y, float* mean, float* rstd, const float* x, const float* weight, const float* bias,
                           int64_t rows, int64_t dim, float eps) {
  threads_.runBlocks(rows, RowParts::kUnit, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      const float* in = x + r * dim;
      float* out = y + r * dim;
      float sum = 0, squares = 0;
#pragma omp simd reduction(+ : sum)
      for (int64_t i = 0; i < dim; ++i) sum += in[i];
      const float centre = sum / static_cast<float>(dim);
#pragma omp simd reduction(+ : squares)
      for (int64_t i = 0; i < dim; ++i) squares += (in[i] - centre) * (in[i] - centre);
      const float scale = 1.0f / std::sqrt(squares / static_cast<float>(dim) + eps);
#pragma omp simd
      for (int64_t i = 0; i < dim; ++i) out[i] = (in[i] - centre) * scale * weight[i] + bias[i];
      if (mean) {
        mean[r] = centre;
        rstd[r] = scale;
      }
    }
  });
}

void CpuBackend::layerNormGradient(float* dx, float* dweight, float* dbias, const float* dy, const float* x,
                                   const float* mean, const float* rstd, const float* weight, int64_t rows,
                                   int64_t dim) {
  constexpr int64_t kRows = 64;  // whose dweight and dbias one thread sums, while they are in its cache for dx
  const int64_t parts = (rows + kRows - 1) / kRows;
  const Buffer partials = allocate(parts * 2 * dim);  // (parts, 2, dim)
  threads_.runBlocks(rows, kRows, [&](int64_t begin, int64_t end) {
    float *ofWeight = partials.get() + begin / kRows * 2 * dim, *ofBias = ofWeight + dim;
    std::fill(ofWeight, ofWeight + 2 * dim, 0.0f);
    for (int64_t r = begin; r < end; ++r) {
      rowGradient(dx + r * dim, ofWeight, ofBias, dy + r * dim, x + r * dim, mean[r], rstd[r], weight, dim);
    }
  });
  threads_.runBlocks(dim, 64, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) dweight[i] = dbias[i] = 0;
    for (int64_t part = 0; part < parts; ++part) {
      const float *ofWeight = partials.get() + part * 2 * dim, *ofBias = ofWeight + dim;
#pragma omp simd
      for (int64_t i = begin; i < end; ++i) {
        dweight[i] += ofWeight[i];
        dbias[i] += ofBias[i];
      }
    }
  });
}

}  // namespace dinomaly
