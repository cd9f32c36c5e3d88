// The language that kernels are written in: CUDA's under nvcc, and under any other compiler the part of it that they
// use, on the host (emulated/). Kernels include this and nothing of CUDA.
#pragma once

#include <cstdint>

#if defined(__CUDACC__)

#include <cuda_runtime.h>

namespace dinomaly::cuda {

/// A block's shared memory, all of which is asked for at the launch.
template <typename T>
__device__ T* sharedMemory() {
  extern __shared__ __align__(16) unsigned char dinomalySharedMemory[];
  return reinterpret_cast<T*>(dinomalySharedMemory);
}

}  // namespace dinomaly::cuda

#else

#include "backend/cuda/emulated/language.h"

#endif

namespace dinomaly::cuda {

constexpr unsigned kWarp = 32;
constexpr unsigned kAllLanes = 0xFFFFFFFFu;

/// bfloat16, stored. Arithmetic is in float.
struct bf16 {
  uint16_t bits;
};

__device__ __forceinline__ float toFloat(float x) {
  return x;
}
__device__ __forceinline__ float toFloat(bf16 x) {
  return __uint_as_float(static_cast<unsigned>(x.bits) << 16);
}

/// Rounded to nearest, ties to even. Every NaN becomes 0x7FFF, which is what the instruction of 8.0 and newer makes of
/// it.
template <typename T>
__device__ __forceinline__ T fromFloat(float x);
template <>
__device__ __forceinline__ float fromFloat<float>(float x) {
  return x;
}
template <>
__device__ __forceinline__ bf16 fromFloat<bf16>(float x) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
  bf16 rounded;
  asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(rounded.bits) : "f"(x));
  return rounded;
#else
  const unsigned bits = __float_as_uint(x);
  if (x != x) return {0x7FFF};
  return {static_cast<uint16_t>((bits + 0x7FFFu + (bits >> 16 & 1u)) >> 16)};
#endif
}

/// 2^x within 2 units of the last place; 0 below 2^-126.
__device__ __forceinline__ float exp2Approx(float x) {
#if defined(__CUDACC__)
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
#else
  return exp2f(x);
#endif
}

/// kCount values that are loaded and stored in one go, 16 bytes at most.
template <typename T, int kCount>
struct alignas(sizeof(T) * kCount) Pack {
  T values[kCount];
};

/// As many as make 16 bytes.
template <typename T>
constexpr int kPackSize = 16 / sizeof(T);

/// Whether packs of kCount can be loaded from, or stored to, a tensor that begins at `x`.
template <int kCount, typename T>
bool onBoundary(const T* x) {
  return reinterpret_cast<uintptr_t>(x) % sizeof(Pack<T, kCount>) == 0;
}

/// In one instruction where the pack has 16 bytes; plain stores nvcc may split.
template <typename T, int kCount>
__device__ __forceinline__ void storeWhole(T* to, const Pack<T, kCount>& pack) {
  if constexpr (sizeof pack == sizeof(uint4)) {
    uint4 words;
    memcpy(&words, &pack, sizeof words);
    __stcg(reinterpret_cast<uint4*>(to), words);
  } else {
    *reinterpret_cast<Pack<T, kCount>*>(to) = pack;
  }
}

/// Over groups of kLanes neighbouring lanes, the whole warp by default; each lane gets its group's.
template <int kLanes = 32, typename T>
__device__ __forceinline__ T sumOfLanes(T x) {
#pragma unroll
  for (int offset = kLanes / 2; offset > 0; offset /= 2) x += __shfl_xor_sync(kAllLanes, x, offset);
  return x;
}
template <int kLanes = 32>
__device__ __forceinline__ float maxOfLanes(float x) {
#pragma unroll
  for (int offset = kLanes / 2; offset > 0; offset /= 2) x = fmaxf(x, __shfl_xor_sync(kAllLanes, x, offset));
  return x;
}

/// The sum over a block of whole warps, float or double, in an order that depends on the block's size alone; every
/// thread gets it. scratch: 32 of them in shared memory, free again after the next barrier.
template <typename T>
__device__ __forceinline__ T sumOfBlock(T x, T* scratch) {
  const unsigned lane = threadIdx.x % kWarp, warp = threadIdx.x / kWarp, warps = blockDim.x / kWarp;
  x = sumOfLanes(x);
  if (warps == 1) return x;
  __syncthreads();  // whoever still reads the last sum
  if (lane == 0) scratch[warp] = x;
  __syncthreads();
  return sumOfLanes(lane < warps ? scratch[lane] : T{});
}

}  // namespace dinomaly::cuda
