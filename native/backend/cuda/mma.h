// Tensor-core tiles: m16n8k16 products of bf16, the loads that bring shared memory into their layout, and m16n8k8
// products of TF32, floats of 11 significant bits. Collective: all 32 lanes of a warp together. For compute capability
// 8.0 and newer; older devices stop the kernel with a trap.
//
// With g = lane / 4 and t = lane % 4 a lane holds, two neighbours to a register, the first in the low half:
//   A (16x16): a[0] = A(g, 2t..), a[1] = A(g + 8, 2t..), a[2] = A(g, 2t + 8..), a[3] = A(g + 8, 2t + 8..)
//   B (16x8):  b[0] = B(2t.., g), b[1] = B(2t + 8.., g)
//   C (16x8):  c[0], c[1] = C(g, 2t..), c[2], c[3] = C(g + 8, 2t..), in float
// and of TF32, one to a register, as the bits of a float; C is the same:
//   A (16x8): a[0] = A(g, t), a[1] = A(g + 8, t), a[2] = A(g, t + 4), a[3] = A(g + 8, t + 4)
//   B (8x8):  b[0] = B(t, g), b[1] = B(t + 4, g)
#pragma once

#include "backend/cuda/device.h"

#if !defined(__CUDACC__)
#include "backend/cuda/emulated/mma.h"
#endif

namespace dinomaly::cuda {

#if defined(__CUDACC__)

/// C += A B
__device__ __forceinline__ void mma16816(float (&c)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
#if __CUDA_ARCH__ >= 800
  asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
      "{%0, %1, %2, %3};"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#else
  __trap();
#endif
}

/// C += A B of TF32. Every bf16 is one as it is; the bits that a float has beyond are cut off.
__device__ __forceinline__ void mma1688(float (&c)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]) {
#if __CUDA_ARCH__ >= 800
  asm("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
      "{%0, %1, %2, %3};"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#else
  __trap();
#endif
}

/// Four 8x8 matrices: row i of matrix m is the 16 bytes of shared memory that lane 8m + i points to (aligned to 16).
/// loaded[m] of a lane: columns 2t and 2t + 1 of row g of matrix m.
__device__ __forceinline__ void loadMatrices(uint32_t (&loaded)[4], const bf16* row) {
#if __CUDA_ARCH__ >= 800
  const auto address = static_cast<unsigned>(__cvta_generic_to_shared(row));
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(loaded[0]), "=r"(loaded[1]), "=r"(loaded[2]), "=r"(loaded[3])
               : "r"(address)
               : "memory");
#else
  __trap();
#endif
}

/// The same of the transposed matrices. loaded[m] of a lane: rows 2t and 2t + 1 of column g of matrix m.
__device__ __forceinline__ void loadMatricesTransposed(uint32_t (&loaded)[4], const bf16* row) {
#if __CUDA_ARCH__ >= 800
  const auto address = static_cast<unsigned>(__cvta_generic_to_shared(row));
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(loaded[0]), "=r"(loaded[1]), "=r"(loaded[2]), "=r"(loaded[3])
               : "r"(address)
               : "memory");
#else
  __trap();
#endif
}

#endif

/// Two floats rounded to bf16 as the fragments hold neighbours: `low` has the lower index.
__device__ __forceinline__ uint32_t packBf16(float low, float high) {
#if defined(__CUDACC__) && __CUDA_ARCH__ >= 800
  uint32_t packed;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(packed) : "f"(high), "f"(low));
  return packed;
#else
  return fromFloat<bf16>(low).bits | static_cast<uint32_t>(fromFloat<bf16>(high).bits) << 16;
#endif
}

/// Floats that are multiplied by it before mma1688() cuts them off come out as if rounded, within two thirds of a unit
/// of the last place and without a bias; powers of two stay exact.
constexpr float kBeforeCut = 1.0f + 1.0f / 3072;

/// A float rounded to TF32: to nearest, ties away from zero.
__device__ __forceinline__ uint32_t toTf32(float x) {
#if defined(__CUDACC__) && __CUDA_ARCH__ >= 800
  uint32_t rounded;
  asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(rounded) : "f"(x));
  return rounded;
#else
  const uint32_t bits = __float_as_uint(x), exponent = bits & 0x7F800000u;
  return (exponent == 0x7F800000u ? bits : bits + 0x1000u) & 0xFFFFE000u;
#endif
}

}  // namespace dinomaly::cuda
