// What linear layers need beside cuBLASLt's products.
#pragma once

#include "backend/backend.h"
#include "backend/cuda/launch.h"

namespace dinomaly::cuda {

/// y (rows,out) = residual + scale * act(product + bias), as backend.h's Epilogue says. y may be product or residual.
void finishLinear(Stream stream, float* y, const float* product, int64_t rows, int64_t out, const Epilogue& epilogue);

/// sums (cols) of x's (rows,cols) columns. partials: columnSumPartials(rows, cols) floats.
void columnSums(Stream stream, float* sums, float* partials, const float* x, int64_t rows, int64_t cols);
int64_t columnSumPartials(int64_t rows, int64_t cols);

}  // namespace dinomaly::cuda
