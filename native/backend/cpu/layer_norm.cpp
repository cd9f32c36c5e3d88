#include <algorithm>
#include <cmath>

#include "backend/cpu/cpu_backend.h"
#include "backend/cpu/row_parts.h"
#include "backend/cpu/vectors.h"

namespace dinomaly {
namespace {

using EightFloats = float __attribute__((vector_size(32)));
constexpr int64_t kEight = 8;

/// The sum of all, in their order.
float total(const EightFloats& v) {
  float sum = 0;
  for (int64_t i = 0; i < kEight; ++i) sum += v[i];
  return sum;
}

/// y = (x - mean) / sqrt(variance + eps) * weight + bias of kRows rows, side by side since one row's sums would wait
/// for themselves. A row's bits do not depend on kRows if it is of whole vectors.
template <int kRows>
void normalise(float* y, float* mean, float* rstd, const float* x, const float* weight, const float* bias, int64_t dim,
               float eps) {
  const int64_t whole = dim / kEight * kEight;
  const auto sumOf = [&](const auto& term, float(&sums)[kRows]) {
    EightFloats lanes[kRows] = {};
    for (int64_t i = 0; i < whole; i += kEight) {
#pragma GCC unroll 4
      for (int r = 0; r < kRows; ++r) lanes[r] += term(load<EightFloats>(x + r * dim + i), r);
    }
    for (int r = 0; r < kRows; ++r) {
      for (int64_t i = whole; i < dim; ++i) lanes[r][0] += term(x[r * dim + i], r);
      sums[r] = total(lanes[r]);
    }
  };
  float centres[kRows], scales[kRows];
  sumOf([](const auto& v, int) { return v; }, centres);
  for (float& centre : centres) centre /= static_cast<float>(dim);
  sumOf([&](const auto& v, int r) { return (v - centres[r]) * (v - centres[r]); }, scales);
  for (float& scale : scales) scale = 1.0f / std::sqrt(scale / static_cast<float>(dim) + eps);
  for (int64_t i = 0; i < whole; i += kEight) {
    const EightFloats w = load<EightFloats>(weight + i), b = load<EightFloats>(bias + i);
#pragma GCC unroll 4
    for (int r = 0; r < kRows; ++r) {
      store(y + r * dim + i, (load<EightFloats>(x + r * dim + i) - centres[r]) * scales[r] * w + b);
    }
  }
  for (int r = 0; r < kRows; ++r) {
    for (int64_t i = whole; i < dim; ++i) {
      y[r * dim + i] = (x[r * dim + i] - centres[r]) * scales[r] * weight[i] + bias[i];
    }
    if (!mean) continue;
    mean[r] = centres[r];
    rstd[r] = scales[r];
  }
}

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
  const auto rowsFrom = [&](int64_t r, const auto& kernel) {
    kernel(y + r * dim, mean ? mean + r : nullptr, rstd ? rstd + r : nullptr, x + r * dim, weight, bias, dim, eps);
  };
  threads_.runBlocks(rows, RowParts::kUnit, [&](int64_t begin, int64_t end) {
    constexpr int kRows = 4;
    int64_t r = begin;
    for (; dim % kEight == 0 && r + kRows <= end; r += kRows) rowsFrom(r, normalise<kRows>);
    for (; r < end; ++r) rowsFrom(r, normalise<1>);
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
