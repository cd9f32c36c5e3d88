// What linear layers need beside cuBLASLt's products and sums of columns.
#pragma once

#include "backend/cuda/launch.h"

namespace dinomaly::cuda {

/// y (rows,out) = residual + scale * act(product + bias), act being GELU if `gelu` and else the identity; bias and
/// scale (out), residual (rows,out), each null where it is left out. y may be product or residual. T: float or bf16;
/// arithmetic is float.
template <typename T>
void finishLinear(Stream stream, T* y, const T* product, int64_t rows, int64_t out, const float* bias, bool gelu,
                  const float* scale, const T* residual);

}  // namespace dinomaly::cuda
