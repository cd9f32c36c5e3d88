// CUDA's keywords, built-in variables and functions, as far as the kernels use them, over emulated/grid.h. Shared
// memory comes from sharedMemory() alone: it is allocated to the byte, so that AddressSanitizer sees what lies beyond.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "backend/cuda/emulated/grid.h"

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __restrict__ __restrict
#define __launch_bounds__(...)

#define threadIdx (::dinomaly::emulated::threadIndex)
#define blockIdx (::dinomaly::emulated::blockIndex)
#define blockDim (::dinomaly::emulated::blockSize)
#define gridDim (::dinomaly::emulated::gridSize)

namespace dinomaly::cuda {

using dim3 = emulated::Dim3;

template <typename T>
T* sharedMemory() {
  return static_cast<T*>(emulated::sharedMemory());
}

inline void __syncthreads() {
  emulated::blockBarrier();
}

/// Value of the lane that `source` names; out of the warp: the lane's own.
template <typename T, typename Source>
T shuffle(unsigned mask, T value, const Source& source) {
  alignas(T) unsigned char lanes[emulated::kWarpSize * sizeof(T)];
  emulated::meetWarp(mask, &value, sizeof value, nullptr, lanes);
  const int from = source(static_cast<int>(emulated::threadLane()));
  if (from < 0 || from >= static_cast<int>(emulated::kWarpSize)) return value;
  std::memcpy(&value, lanes + static_cast<size_t>(from) * sizeof value, sizeof value);
  return value;
}
template <typename T>
T __shfl_xor_sync(unsigned mask, T value, int bits) {
  return shuffle(mask, value, [bits](int lane) { return lane ^ bits; });
}
template <typename T>
T __shfl_sync(unsigned mask, T value, int from) {
  return shuffle(mask, value, [from](int) { return from & 31; });
}
template <typename T>
T __shfl_down_sync(unsigned mask, T value, unsigned by) {
  return shuffle(mask, value, [by](int lane) { return lane + static_cast<int>(by); });
}
template <typename T>
T __shfl_up_sync(unsigned mask, T value, unsigned by) {
  return shuffle(mask, value, [by](int lane) { return lane - static_cast<int>(by); });
}
inline unsigned __ballot_sync(unsigned mask, int predicate) {
  const unsigned char vote = predicate != 0;
  unsigned char lanes[emulated::kWarpSize];
  emulated::meetWarp(mask, &vote, 1, nullptr, lanes);
  unsigned votes = 0;
  for (unsigned lane = 0; lane < emulated::kWarpSize; ++lane) {
    if (mask >> lane & 1) votes |= static_cast<unsigned>(lanes[lane]) << lane;
  }
  return votes;
}
inline void __syncwarp(unsigned mask = 0xFFFFFFFFu) {
  __ballot_sync(mask, 0);
}
inline int __any_sync(unsigned mask, int predicate) {
  return __ballot_sync(mask, predicate) != 0;
}
inline int __all_sync(unsigned mask, int predicate) {
  return __ballot_sync(mask, predicate) == mask;
}

/// Only whole numbers: sums of floats must not depend on an order.
template <typename T>
T atomicAdd(T* to, T value) {
  static_assert(std::is_integral_v<T>);
  const T old = *to;
  *to = old + value;
  return old;
}

struct alignas(16) float4 {
  float x, y, z, w;
};
inline float4 make_float4(float x, float y, float z, float w) {
  return {x, y, z, w};
}
struct alignas(16) uint4 {
  unsigned x, y, z, w;
};
inline uint4 make_uint4(unsigned x, unsigned y, unsigned z, unsigned w) {
  return {x, y, z, w};
}
struct alignas(8) ushort4 {
  unsigned short x, y, z, w;
};
inline ushort4 make_ushort4(unsigned short x, unsigned short y, unsigned short z, unsigned short w) {
  return {x, y, z, w};
}

/// A store that the first-level cache does not keep.
template <typename T>
void __stcg(T* to, T value) {
  *to = value;
}

inline unsigned __float_as_uint(float x) {
  unsigned bits;
  std::memcpy(&bits, &x, sizeof bits);
  return bits;
}
inline float __uint_as_float(unsigned bits) {
  float x;
  std::memcpy(&x, &bits, sizeof x);
  return x;
}
inline int __popc(unsigned x) {
  return __builtin_popcount(x);
}
inline unsigned __umulhi(unsigned a, unsigned b) {
  return static_cast<unsigned>((uint64_t{a} * b) >> 32);
}
using ::erff, ::exp2f, ::expf, ::fmaf, ::fmaxf, ::fminf, ::sqrtf;
using std::isfinite, std::isnan, std::max, std::min;
inline float rsqrtf(float x) {
  return 1.0f / std::sqrt(x);
}

}  // namespace dinomaly::cuda
