#include <cstring>

#include "backend/cuda/async_copy.h"
#include "backend/cuda/column_sums.h"
#include "backend/cuda/gelu.h"
#include "backend/cuda/gelu_backward.h"
#include "backend/cuda/mma.h"

namespace dinomaly::cuda {
namespace {

/// A pack's values, and back, rounded.
template <typename T, int kCount>
__device__ __forceinline__ void widen(Pack<float, kCount>& to, const Pack<T, kCount>& from) {
#pragma unroll
  for (int i = 0; i < kCount; ++i) to.values[i] = toFloat(from.values[i]);
}
template <typename T, int kCount>
__device__ __forceinline__ void narrow(Pack<T, kCount>& to, const Pack<float, kCount>& from) {
#pragma unroll
  for (int i = 0; i < kCount; ++i) to.values[i] = fromFloat<T>(from.values[i]);
}

/// Of bf16 two to a register, which take an instruction each way; by themselves they take another to be cut out.
__device__ __forceinline__ void widen(Pack<float, 8>& to, const Pack<bf16, 8>& from) {
  Pack<uint32_t, 4> pairs;
  memcpy(&pairs, &from, sizeof pairs);
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    to.values[2 * i] = __uint_as_float(pairs.values[i] << 16);
    to.values[2 * i + 1] = __uint_as_float(pairs.values[i] & 0xFFFF0000u);
  }
}
__device__ __forceinline__ void narrow(Pack<bf16, 8>& to, const Pack<float, 8>& from) {
  Pack<uint32_t, 4> pairs;
#pragma unroll
  for (int i = 0; i < 4; ++i) pairs.values[i] = packBf16(from.values[2 * i], from.values[2 * i + 1]);
  memcpy(&to, &pairs, sizeof pairs);
}

constexpr int kStages = 3;  // rows of a warp that are in shared memory, or on their way there
constexpr int kStep = static_cast<int>(kPartialWarps);
constexpr size_t kStagedBytes = kStages * 2 * kPartialThreads * sizeof(uint4);

// x and dy (rows,dim) in place, partials (rows / kPartialRows, dim) of dy. A block takes kPartialRows rows of 32 *
// kCount columns, a warp every eighth of them, a row at a time and kCount neighbours a lane. So a thread keeps its
// columns' sums in registers, and partials are few. What a thread will need of its next kStages - 1 rows is copied to
// shared memory meanwhile, of which no other thread knows: in registers the compiler puts loads off until there is
// room, and 64 KB of a multiprocessor's four blocks always in flight are more than fill the memory's bus. blockIdx.y
// counts the parts from the last: the product that made dy wrote its last rows last, which the second-level cache may
// still hold, and the products that follow begin with the first. Reads and writes 2 * rows * dim of T: bound by memory
// alone (gelu.h). kCount: 16 bytes of T, or one element, with nothing copied ahead, for rows that do not begin on a
// pack's boundary. Shared: addWarps(), then (kStages, 2, kPartialThreads) packs.
template <int kCount, typename T>
__global__ void __launch_bounds__(kPartialThreads, 4)
    geluBackwardKernel(T* x, T* dy, float* partials, int64_t rows, int64_t dim) {
  using Packed = Pack<T, kCount>;
  constexpr bool kAhead = sizeof(Packed) == sizeof(uint4);
  const int part = static_cast<int>(gridDim.y - 1 - blockIdx.y);
  const int first = part * static_cast<int>(kPartialRows) + static_cast<int>(threadIdx.x / kWarp);
  const int end = min((part + 1) * static_cast<int>(kPartialRows), static_cast<int>(rows));
  const int64_t packs = dim / kCount, pack = blockIdx.x * int64_t{kWarp} + threadIdx.x % kWarp;
  const bool inside = pack < packs;
  auto* inPack = reinterpret_cast<Packed*>(x) + first * packs + pack;
  auto* upPack = reinterpret_cast<Packed*>(dy) + first * packs + pack;

  Packed* const own = reinterpret_cast<Packed*>(sharedMemory<float>() + kPartialThreads * kCount) + threadIdx.x;
  AsyncCopies copies;
  const auto fetch = [&](int stage, int ahead, bool isThere) {  // a row `ahead` rows of the warp from inPack's
    if (isThere && inside) {
      copies.start(own + 2 * stage * kPartialThreads, inPack + ahead * kStep * packs, true);
      copies.start(own + (2 * stage + 1) * kPartialThreads, upPack + ahead * kStep * packs, true);
    }
    copies.endGroup();
  };
  if constexpr (kAhead) {
#pragma unroll
    for (int i = 0; i < kStages - 1; ++i) fetch(i, i, first + i * kStep < end);
  }

  Pack<float, kCount> sums = {};
  int stage = 0, free = kStages - 1;
#pragma unroll 1
  for (int row = first; row < end; row += kStep) {
    Packed in = {}, up = {};
    if constexpr (kAhead) {
      fetch(free, kStages - 1, row + (kStages - 1) * kStep < end);
      copies.waitForGroup<kStages - 1>();
      in = own[2 * stage * kPartialThreads];
      up = own[(2 * stage + 1) * kPartialThreads];
      free = stage;
      stage = stage == kStages - 1 ? 0 : stage + 1;
    } else if (inside) {
      in = *inPack;
      up = *upPack;
    }
    Pack<float, kCount> bent, down;
    widen(bent, in);
    widen(down, up);
#pragma unroll
    for (int j = 0; j < kCount; ++j) {
      const ValueAndSlope there = GeluAndSlope<T>()(bent.values[j]);
      bent.values[j] = there.value;
      down.values[j] *= there.slope;
    }
    narrow(in, bent);
    narrow(up, down);
    widen(down, up);
#pragma unroll
    for (int j = 0; j < kCount; ++j) sums.values[j] += down.values[j];
    if (inside) {
      *inPack = in;
      *upPack = up;
    }
    inPack += kStep * packs;
    upPack += kStep * packs;
  }
  addWarps(partials + part * dim, sums, blockIdx.x * int64_t{kWarp * kCount}, dim);
}

}  // namespace

template <typename T>
void geluBackward(Stream stream, T* x, T* dy, float* db, float* partials, int64_t rows, int64_t dim) {
  constexpr int kCount = kPackSize<T>;
  const bool packed = dim % kCount == 0 && onBoundary<kCount>(x) && onBoundary<kCount>(dy);
  const int64_t count = packed ? kCount : 1, parts = blocksOf(rows, kPartialRows);
  const dim3 grid(blocksOf(dim, kWarp * count), static_cast<unsigned>(parts));
  launch(stream, packed ? geluBackwardKernel<kCount, T> : geluBackwardKernel<1, T>, grid, kPartialThreads,
         static_cast<size_t>(kPartialThreads * count) * sizeof(float) + (packed ? kStagedBytes : 0), x, dy, partials,
         rows, dim);
  float* const none = nullptr;
  joinSums(stream, db, none, partials, parts, dim);
}

template void geluBackward(Stream, float*, float*, float*, float*, int64_t, int64_t);
template void geluBackward(Stream, bf16*, bf16*, float*, float*, int64_t, int64_t);

}  // namespace dinomaly::cuda
