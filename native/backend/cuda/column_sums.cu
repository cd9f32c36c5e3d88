#include "backend/cuda/column_sums.h"

namespace dinomaly::cuda {
namespace {

constexpr unsigned kJoinGroups = 16;  // among which a column's parts are dealt out
constexpr unsigned kJoinThreads = kJoinGroups * kWarp;

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

// kJoinGroups threads a column, a warp reading 32 neighbours: one thread after the other down all parts would wait for
// each few loads before the next. Shared: a float a thread.
__global__ void __launch_bounds__(kJoinThreads)
    joinSumsKernel(float* sums, const float* partials, int64_t parts, int64_t cols, int64_t stride) {
  float* const ofGroups = sharedMemory<float>();  // (kJoinGroups, kWarp)
  const unsigned lane = threadIdx.x % kWarp, group = threadIdx.x / kWarp;
  const int64_t column = blockIdx.x * int64_t{kWarp} + lane;
  float sum = 0;
  if (column < cols) {
#pragma unroll 4
    for (int64_t part = group; part < parts; part += kJoinGroups) sum += partials[part * stride + column];
  }
  ofGroups[threadIdx.x] = sum;
  __syncthreads();
  if (group > 0 || column >= cols) return;
  for (unsigned i = 1; i < kJoinGroups; ++i) sum += ofGroups[i * kWarp + lane];
  sums[column] = sum;
}

}  // namespace

void joinSums(Stream stream, float* sums, const float* partials, int64_t parts, int64_t cols, int64_t stride) {
  launch(stream, joinSumsKernel, blocksOf(cols, kWarp), kJoinThreads, kJoinThreads * sizeof(float), sums, partials,
         parts, cols, stride);
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
