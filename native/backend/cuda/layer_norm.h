// LayerNorm over rows. T: float or bf16, of x and y and their gradients, and X of an x that may be float beside a y of
// bf16; weights, statistics and sums are float.
#pragma once

#include "backend/cuda/launch.h"

namespace dinomaly::cuda {

/// y (rows,dim) = (x - mean) * rstd * weight + bias; mean and rstd (rows) may be null.
template <typename T, typename X>
void layerNorm(Stream stream, T* y, float* mean, float* rstd, const X* x, const float* weight, const float* bias,
               int64_t rows, int64_t dim, float eps);

/// dx (rows,dim) += the gradient; dweight, dbias (dim) are written. partials: layerNormPartials(rows, dim) floats.
template <typename T>
void layerNormGradient(Stream stream, T* dx, float* dweight, float* dbias, float* partials, const T* dy, const T* x,
                       const float* mean, const float* rstd, const float* weight, int64_t rows, int64_t dim);
int64_t layerNormPartials(int64_t rows, int64_t dim);

}  // namespace dinomaly::cuda
