#include <cmath>

#include "backend/cpu/cpu_backend.h"

namespace dinomaly {

void CpuBackend::layerNorm(float* y, float* mean, float* rstd, const float* x, const float* weight, const float* bias,
                           int64_t rows, int64_t dim, float eps) {
  threads_.runBlocks(rows, 32, [&](int64_t begin, int64_t end) {
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
  // With n = (x - mean) * rstd and g = dy * weight: dx = rstd * (g - mean(g) - n * mean(g * n)).
  threads_.runBlocks(rows, 32, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      const float *in = x + r * dim, *up = dy + r * dim;
      float* out = dx + r * dim;
      const float centre = mean[r], scale = rstd[r];
      float sum = 0, product = 0;
#pragma omp simd reduction(+ : sum, product)
      for (int64_t i = 0; i < dim; ++i) {
        const float g = up[i] * weight[i];
        sum += g;
        product += g * (in[i] - centre) * scale;
      }
      sum /= static_cast<float>(dim);
      product /= static_cast<float>(dim);
#pragma omp simd
      for (int64_t i = 0; i < dim; ++i) {
        out[i] += scale * (up[i] * weight[i] - sum - (in[i] - centre) * scale * product);
      }
    }
  });
  threads_.runBlocks(dim, 64, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) dweight[i] = dbias[i] = 0;
    for (int64_t r = 0; r < rows; ++r) {
      const float *in = x + r * dim, *up = dy + r * dim;
#pragma omp simd
      for (int64_t i = begin; i < end; ++i) {
        dweight[i] += up[i] * (in[i] - mean[r]) * rstd[r];
        dbias[i] += up[i];
      }
    }
  });
}

}  // namespace dinomaly
