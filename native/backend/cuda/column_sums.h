// Sums over rows, of each column: gradients of biases and of norms.
#pragma once

#include "backend/cuda/launch.h"

namespace dinomaly::cuda {

constexpr int64_t kPartialRows = 64;      // rows that one partial sum covers
constexpr unsigned kColumnThreads = 128;  // of a block, a thread a column, so that a warp reads 32 neighbours

/// The grid of a kernel that writes a partial sum of each column, its part of the rows being blockIdx.y.
inline dim3 partialSumsGrid(int64_t rows, int64_t cols) {
  return dim3(blocksOf(cols, kColumnThreads), blocksOf(rows, kPartialRows));
}

/// sums (cols) = the sum over parts of partials, whose parts lie `stride` apart.
void joinSums(Stream stream, float* sums, const float* partials, int64_t parts, int64_t cols, int64_t stride);

/// sums (cols) of x's (rows,cols) columns, x float or bf16. partials: columnSumPartials(rows, cols) floats.
template <typename T>
void columnSums(Stream stream, float* sums, float* partials, const T* x, int64_t rows, int64_t cols);
int64_t columnSumPartials(int64_t rows, int64_t cols);

}  // namespace dinomaly::cuda
