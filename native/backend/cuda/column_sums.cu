#include "backend/cuda/column_sums.h"

namespace dinomaly::cuda {
namespace {

// partials (rows / kPartialRows, cols). Reads rows * cols of T once.
template <typename T>
__global__ void __launch_bounds__(kColumnThreads)
    partialSumsKernel(float* partials, const T* x, int64_t rows, int64_t cols) {
  const int64_t column = blockIdx.x * int64_t{kColumnThreads} + threadIdx.x, part = blockIdx.y;
  if (column >= cols) return;
  const int64_t end = min((part + 1) * kPartialRows, rows);
  float sum = 0;
  for (int64_t row = part * kPartialRows; row < end; ++row) sum += toFloat(x[row * cols + column]);
  partials[part * cols + column] = sum;
}

// A thread a column, part after part: small beside what made the partials.
__global__ void __launch_bounds__(kColumnThreads)
    joinSumsKernel(float* sums, const float* partials, int64_t parts, int64_t cols, int64_t stride) {
  const int64_t column = blockIdx.x * int64_t{kColumnThreads} + threadIdx.x;
  if (column >= cols) return;
  float sum = 0;
  for (int64_t part = 0; part < parts; ++part) sum += partials[part * stride + column];
  sums[column] = sum;
}

}  // namespace

void joinSums(Stream stream, float* sums, const float* partials, int64_t parts, int64_t cols, int64_t stride) {
  launch(stream, joinSumsKernel, blocksOf(cols, kColumnThreads), kColumnThreads, 0, sums, partials, parts, cols,
         stride);
}

template <typename T>
void columnSums(Stream stream, float* sums, float* partials, const T* x, int64_t rows, int64_t cols) {
  launch(stream, partialSumsKernel<T>, partialSumsGrid(rows, cols), kColumnThreads, 0, partials, x, rows, cols);
  joinSums(stream, sums, partials, blocksOf(rows, kPartialRows), cols, cols);
}

int64_t columnSumPartials(int64_t rows, int64_t cols) {
  return blocksOf(rows, kPartialRows) * cols;
}

template void columnSums(Stream, float*, float*, const float*, int64_t, int64_t);
template void columnSums(Stream, float*, float*, const bf16*, int64_t, int64_t);

}  // namespace dinomaly::cuda
