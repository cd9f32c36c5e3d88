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

/// As many values as rows of bf16 take that all begin at 16 bytes, if the first does.
constexpr int64_t paddedRow(int64_t size) {
  return (size + kPackSize<bf16> - 1) / kPackSize<bf16> * kPackSize<bf16>;
}

/// y (rows,paddedRow(size)), which begins at 16 bytes, = x (rows,size), and zeros behind.
void padRows(Stream stream, bf16* y, const bf16* x, int64_t rows, int64_t size);

}  // namespace dinomaly::cuda
