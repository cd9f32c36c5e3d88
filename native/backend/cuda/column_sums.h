// Sums over rows, of each column: gradients of biases and of norms.
#pragma once

#include "backend/cuda/launch.h"

namespace dinomaly::cuda {

constexpr int64_t kPartialRows = 64;  // rows that one partial sum covers

/// first (cols), and second (cols) if it is not null: the sums over parts of partials (parts, cols), or (parts, 2,
/// cols).
void joinSums(Stream stream, float* first, float* second, const float* partials, int64_t parts, int64_t cols);

/// sums (cols) of x's (rows,cols) columns, x float or bf16. partials: columnSumPartials(rows, cols) floats.
template <typename T>
void columnSums(Stream stream, float* sums, float* partials, const T* x, int64_t rows, int64_t cols);
int64_t columnSumPartials(int64_t rows, int64_t cols);

}  // namespace dinomaly::cuda
