#include "backend/cuda/column_sums.h"

namespace dinomaly::cuda {
namespace {

constexpr unsigned kJoinGroups = 32;  // among which a column's parts are dealt out
constexpr unsigned kJoinThreads = kJoinGroups * kWarp;
constexpr int kJoinAhead = 8;  // parts that a thread has in flight

// partials (rows / kPartialRows, cols). A block takes kPartialRows rows of 32 * kCount columns; a warp reads kCount
// neighbours a lane of every eighth row, 16 bytes a load and all of its rows at once: 32 KB of a block in flight, of
// which a few blocks a multiprocessor fill the memory's bus. blockIdx.y is the part. Reads rows * cols of T once.
// kCount: 16 bytes of T, or one element for rows that do not begin on a pack's boundary. Shared: addWarps().
template <int kCount, typename T>
__global__ void __launch_bounds__(kPartialThreads)
    partialSumsKernel(float* partials, const T* x, int64_t rows, int64_t cols) {
  const unsigned lane = threadIdx.x % kWarp, warp = threadIdx.x / kWarp;
  const int64_t begin = blockIdx.x * int64_t{kWarp * kCount}, column = begin + lane * kCount, part = blockIdx.y;
  const int64_t first = part * kPartialRows + warp;
  const T* const from = x + min(column, cols - kCount);
  Pack<T, kCount> in[kPartialRowsEach];
#pragma unroll
  for (int i = 0; i < kPartialRowsEach; ++i) {  // the last row again, in vain, rather than a branch between loads
    in[i] = *reinterpret_cast<const Pack<T, kCount>*>(from + min(first + i * kPartialWarps, rows - 1) * cols);
  }
  Pack<float, kCount> sums = {};
#pragma unroll
  for (int i = 0; i < kPartialRowsEach; ++i) {
    const bool inside = first + i * kPartialWarps < rows;
#pragma unroll
    for (int j = 0; j < kCount; ++j) sums.values[j] += inside ? toFloat(in[i].values[j]) : 0.0f;
  }
  addWarps(partials + part * cols, sums, begin, cols);
}

// A block makes 32 of `all` columns, of which those from `cols` on are second's: kJoinGroups threads a column, a warp
// reading 32 neighbours, each with kJoinAhead parts in flight. One thread after the other down all parts would wait for
// each few loads before the next. Reads parts * all floats. Shared: a float a thread.
__global__ void __launch_bounds__(kJoinThreads)
    joinSumsKernel(float* first, float* second, const float* partials, int64_t parts, int64_t cols, int64_t all) {
  float* const ofGroups = sharedMemory<float>();  // (kJoinGroups, kWarp)
  const unsigned lane = threadIdx.x % kWarp, group = threadIdx.x / kWarp;
  const int64_t column = blockIdx.x * int64_t{kWarp} + lane;
  const float* const from = partials + min(column, all - 1);
  float sum = 0;
#pragma unroll 1
  for (int64_t part = group; part < parts; part += kJoinAhead * kJoinGroups) {
    float in[kJoinAhead];
#pragma unroll
    for (int i = 0; i < kJoinAhead; ++i) in[i] = from[min(part + i * kJoinGroups, parts - 1) * all];
#pragma unroll
    for (int i = 0; i < kJoinAhead; ++i) sum += part + i * kJoinGroups < parts ? in[i] : 0.0f;
  }
  ofGroups[threadIdx.x] = sum;
  __syncthreads();
  if (group > 0 || column >= all) return;
#pragma unroll
  for (unsigned i = 1; i < kJoinGroups; ++i) sum += ofGroups[i * kWarp + lane];
  (column < cols ? first[column] : second[column - cols]) = sum;
}

}  // namespace

void joinSums(Stream stream, float* first, float* second, const float* partials, int64_t parts, int64_t cols) {
  const int64_t all = second ? 2 * cols : cols;
  launch(stream, joinSumsKernel, blocksOf(all, kWarp), kJoinThreads, kJoinThreads * sizeof(float), first, second,
         partials, parts, cols, all);
}

template <typename T>
void columnSums(Stream stream, float* sums, float* partials, const T* x, int64_t rows, int64_t cols) {
  const bool packed = cols % kPackSize<T> == 0 && onBoundary<kPackSize<T>>(x);
  const int64_t count = packed ? kPackSize<T> : 1, parts = blocksOf(rows, kPartialRows);
  const dim3 grid(blocksOf(cols, kWarp * count), static_cast<unsigned>(parts));
  launch(stream, packed ? partialSumsKernel<kPackSize<T>, T> : partialSumsKernel<1, T>, grid, kPartialThreads,
         static_cast<size_t>(kPartialThreads * count) * sizeof(float), partials, x, rows, cols);
  float* const none = nullptr;
  joinSums(stream, sums, none, partials, parts, cols);
}

int64_t columnSumPartials(int64_t rows, int64_t cols) {
  return blocksOf(rows, kPartialRows) * cols;
}

template void columnSums(Stream, float*, float*, const float*, int64_t, int64_t);
template void columnSums(Stream, float*, float*, const bf16*, int64_t, int64_t);

}  // namespace dinomaly::cuda
