// The k-th largest of floats, by radix select: four passes that each settle 8 bits of it.
#pragma once

#include "backend/cuda/launch.h"

namespace dinomaly::cuda {

/// result, one float in device memory: the k-th largest of values (n); n from 1 to 2^32 - 1, k from 1 to n.
void kthLargest(Stream stream, float* result, const float* values, int64_t n, int64_t k);

constexpr unsigned kSelectThreads = 1024;                              // of a block that selects
constexpr unsigned kSelectBins = 256;                                  // 8 bits
constexpr size_t kSelectBytes = (kSelectBins + 2) * sizeof(unsigned);  // of shared memory

/// Whole numbers in the order of the floats: -inf is smallest and inf largest but for NaN, which lies beyond the
/// infinity of its sign; -0 lies below 0.
__device__ __forceinline__ unsigned orderedKey(float x) {
  const unsigned bits = __float_as_uint(x);
  return bits >> 31 ? ~bits : bits | 0x80000000u;
}
__device__ __forceinline__ float fromOrderedKey(unsigned key) {
  return __uint_as_float(key >> 31 ? key & 0x7FFFFFFFu : ~key);
}

/// Gives all of values (n) to the block's threads, each its share in an order that depends on n, on the block's size
/// and on whether values is a multiple of 16 bytes alone. Loads 32 bytes a thread before they are used.
template <typename Use>
__device__ __forceinline__ void forEachValue(const float* values, int64_t n, const Use& use) {
  constexpr int kPack = kPackSize<float>, kAhead = 2;
  const int64_t packs = reinterpret_cast<uintptr_t>(values) % 16 == 0 ? n / kPack : 0;
  for (int64_t first = threadIdx.x; first < packs; first += int64_t{kAhead} * blockDim.x) {
    Pack<float, kPack> loaded[kAhead] = {};
#pragma unroll
    for (int j = 0; j < kAhead; ++j) {
      const int64_t at = first + int64_t{j} * blockDim.x;
      if (at < packs) loaded[j] = reinterpret_cast<const Pack<float, kPack>*>(values)[at];
    }
#pragma unroll
    for (int j = 0; j < kAhead; ++j) {
      if (first + int64_t{j} * blockDim.x >= packs) continue;
#pragma unroll
      for (int i = 0; i < kPack; ++i) use(loaded[j].values[i]);
    }
  }
  for (int64_t i = packs * kPack + threadIdx.x; i < n; i += blockDim.x) use(values[i]);
}

/// What is selected: its key, and how many of those equal to it belong to the k largest.
struct Selected {
  unsigned key, ties;
};

/// How many values each thread of a block that selects holds in registers, unless it says another number; more are read
/// anew for each pass.
constexpr int kSelectHeld = 16;

/// The rank-th largest of those that forEachKey(use) gives the block's threads each time: their keys. kBits: how many
/// of the upper bits to settle; the others are zero. scratch: kSelectBytes, free for this.
template <int kBits, typename ForEachKey>
__device__ __forceinline__ Selected selectByBits(const ForEachKey& forEachKey, unsigned rank, unsigned* scratch) {
  constexpr unsigned kBinsPerLane = kSelectBins / kWarp;
  unsigned *const bins = scratch, *const found = scratch + kSelectBins;
  unsigned key = 0;
#pragma unroll 1
  for (int shift = 24; shift >= 32 - kBits; shift -= 8) {
    for (unsigned bin = threadIdx.x; bin < kSelectBins; bin += blockDim.x) bins[bin] = 0;
    __syncthreads();
    const unsigned settled = shift == 24 ? 0 : ~0u << (shift + 8);
    forEachKey([&](unsigned own) {
      if (((own ^ key) & settled) == 0) atomicAdd(bins + (own >> shift & (kSelectBins - 1)), 1u);
    });
    __syncthreads();
    if (threadIdx.x < kWarp) {  // lane 0 has the highest bins
      const unsigned highest = kSelectBins - 1 - threadIdx.x * kBinsPerLane;
      unsigned counts[kBinsPerLane], own = 0;
#pragma unroll
      for (unsigned i = 0; i < kBinsPerLane; ++i) own += counts[i] = bins[highest - i];
      unsigned upTo = own;
#pragma unroll
      for (unsigned offset = 1; offset < kWarp; offset *= 2) {
        const unsigned before = __shfl_up_sync(kAllLanes, upTo, offset);
        if (threadIdx.x >= offset) upTo += before;
      }
      unsigned left = rank - (upTo - own);      // in this lane's bins, if it is there
      if (upTo - own < rank && rank <= upTo) {  // one lane
        unsigned bin = highest;
        bool beyond = true;  // all bins so far
#pragma unroll
        for (unsigned i = 0; i + 1 < kBinsPerLane; ++i) {
          beyond = beyond && left > counts[i];
          left -= beyond ? counts[i] : 0;
          bin -= beyond;
        }
        found[0] = bin;
        found[1] = left;
      }
    }
    __syncthreads();
    key |= found[0] << shift;
    rank = found[1];
  }
  return {key, rank};
}

/// The k-th largest of values (n), which every thread of the block gets. The block has one dimension and whole warps;
/// scratch: kSelectBytes of shared memory, free again after the next barrier. k is taken as from 1 to n. The result
/// depends on the values alone: counts are whole numbers, which shared memory's atomics may add in any order. Lanes
/// that add one to the same bin are merged by the hardware of 8.0 and newer (ATOMS.POPC.INC), so that values close
/// together cost no more; older devices add them one by one. kBits less than 32: what comes of it is not above the k-th
/// largest, and equal to it in as many of the upper bits.
template <int kBits = 32, int kHeld = kSelectHeld>
__device__ __forceinline__ Selected selectKthLargest(const float* values, int64_t n, int64_t k, unsigned* scratch) {
  const auto rank = static_cast<unsigned>(min(max(k, int64_t{1}), n));
  if (n > int64_t{kHeld} * blockDim.x) {
    __syncthreads();  // whoever still reads scratch
    const auto inMemory = [&](const auto& use) {
      forEachValue(values, n, [&](float value) { use(orderedKey(value)); });
    };
    return selectByBits<kBits>(inMemory, rank, scratch);
  }
  const auto count = static_cast<unsigned>(n);
  float held[kHeld];
#pragma unroll
  for (unsigned i = 0; i < kHeld; ++i) held[i] = values[min(threadIdx.x + i * blockDim.x, count - 1)];
  unsigned keys[kHeld];
#pragma unroll
  for (unsigned i = 0; i < kHeld; ++i) keys[i] = orderedKey(held[i]);
  __syncthreads();  // whoever still reads scratch
  const auto inRegisters = [&](const auto& use) {
#pragma unroll
    for (unsigned i = 0; i < kHeld; ++i) {
      if (threadIdx.x + i * blockDim.x < count) use(keys[i]);
    }
  };
  return selectByBits<kBits>(inRegisters, rank, scratch);
}

}  // namespace dinomaly::cuda
