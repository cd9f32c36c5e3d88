// Sums over rows, of each column: gradients of biases and of norms.
#pragma once

#include "backend/cuda/launch.h"

namespace dinomaly::cuda {

constexpr int64_t kPartialRows = 64;  // rows that one partial sum covers

/// A block that makes partial sums has kPartialWarps warps, each of which adds every eighth row, in their order.
constexpr unsigned kPartialWarps = 8;
constexpr unsigned kPartialThreads = kPartialWarps * kWarp;
constexpr int kPartialRowsEach = static_cast<int>(kPartialRows / kPartialWarps);  // of a warp

/// The block's end: what its warps have summed, kCount neighbouring columns a lane from column `begin` on, is added in
/// the order of the warps, and written to the part's partials (cols). Shared memory: kCount floats a thread.
template <int kCount>
__device__ __forceinline__ void addWarps(float* partials, const Pack<float, kCount>& sums, int64_t begin,
                                         int64_t cols) {
  constexpr unsigned kColumns = kWarp * kCount;
  constexpr int kFloats = kCount < kPackSize<float> ? kCount : kPackSize<float>;
  float* const ofWarps = sharedMemory<float>();
#pragma unroll
  for (int i = 0; i < kCount; i += kFloats) {
    Pack<float, kFloats> some;
#pragma unroll
    for (int j = 0; j < kFloats; ++j) some.values[j] = sums.values[i + j];
    *reinterpret_cast<Pack<float, kFloats>*>(ofWarps + threadIdx.x * kCount + i) = some;
  }
  __syncthreads();
  if (threadIdx.x >= kColumns || begin + threadIdx.x >= cols) return;
  float sum = 0;
#pragma unroll
  for (unsigned i = 0; i < kPartialWarps; ++i) sum += ofWarps[i * kColumns + threadIdx.x];
  partials[begin + threadIdx.x] = sum;
}

/// first (cols), and second (cols) if it is not null: the sums over parts of partials (parts, cols), or (parts, 2,
/// cols).
void joinSums(Stream stream, float* first, float* second, const float* partials, int64_t parts, int64_t cols);

/// sums (cols) of x's (rows,cols) columns, x float or bf16. partials: columnSumPartials(rows, cols) floats.
template <typename T>
void columnSums(Stream stream, float* sums, float* partials, const T* x, int64_t rows, int64_t cols);
int64_t columnSumPartials(int64_t rows, int64_t cols);

}  // namespace dinomaly::cuda
