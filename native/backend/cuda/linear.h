// What linear layers need beside cuBLASLt's products and sums of columns.
#pragma once

#include "backend/backend.h"
#include "backend/cuda/launch.h"

namespace dinomaly::cuda {

/// y (rows,out) = residual + scale * act(product + bias), as backend.h's Epilogue says. y may be product or residual.
void finishLinear(Stream stream, float* y, const float* product, int64_t rows, int64_t out, const Epilogue& epilogue);

}  // namespace dinomaly::cuda
