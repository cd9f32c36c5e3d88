// The backward pass of GELU behind a linear layer, with the gradient of that layer's bias.
#pragma once

#include "backend/cuda/launch.h"

namespace dinomaly::cuda {

/// dy (rows,dim) becomes dy * gelu'(x), db (dim) the sums of its columns as columnSums() makes them, and x (rows,dim)
/// gelu(x). T: float or bf16, of which the rounded values are summed. partials: columnSumPartials(rows, dim) floats.
/// As there, rows are 64 * 65535 at most.
template <typename T>
void geluBackward(Stream stream, T* x, T* dy, float* db, float* partials, int64_t rows, int64_t dim);

}  // namespace dinomaly::cuda
