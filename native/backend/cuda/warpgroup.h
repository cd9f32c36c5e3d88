// Products by four warps together, a warpgroup, whose second factor lies in shared memory (wgmma): of compute
// capability 9.0 alone, in code that is made for 9.0a; any other stops the kernel with a trap. They go on while the
// warps compute something else. Collective: all 128 threads together.
//
// A warp has 16 rows of A and C, in registers, as mma.h describes them; c[i] is C's i-th 8 columns. B lies in a tile of
// rows of 64 channels of bf16, the first at a multiple of 1024 bytes, whose packs of 8 channels are permuted by
// swizzled().
#pragma once

#include "backend/cuda/device.h"

#if !defined(__CUDACC__)
#include "backend/cuda/emulated/warpgroup.h"
#endif

namespace dinomaly::cuda {

#if defined(__CUDA_ARCH__) && !defined(__CUDA_ARCH_FEAT_SM90_ALL)
constexpr bool kHasWarpgroups = false;
#else
constexpr bool kHasWarpgroups = true;
#endif

constexpr unsigned kWarpgroup = 4 * kWarp;
/// For __launch_bounds__, which tell the host whether a kernel has its code: without it no warpgroup can be launched.
constexpr unsigned kWarpgroupIfAny = kHasWarpgroups ? kWarpgroup : kWarp;

constexpr int kSwizzledRow = 64;        // channels, 128 bytes
constexpr size_t kSwizzleBytes = 1024;  // what the permutation repeats after

/// Where a pack of a tile lies, in elements.
__device__ __forceinline__ int swizzled(int row, int pack) {
  return row * kSwizzledRow + (pack ^ row % 8) * 8;
}

/// The first place for a tile at or after `memory`.
template <typename T>
__device__ __forceinline__ T* swizzleBegin(T* memory) {
#if defined(__CUDACC__)
  const auto address = static_cast<uint32_t>(__cvta_generic_to_shared(memory));
#else
  const auto address = reinterpret_cast<uintptr_t>(memory);
#endif
  return memory + (0 - address) % kSwizzleBytes / sizeof(T);
}

#if defined(__CUDACC__)

/// Rows of tiles, as products find them.
class SwizzledRows {
 public:
  __device__ __forceinline__ explicit SwizzledRows(const bf16* tile)
      : packs_(static_cast<uint32_t>(__cvta_generic_to_shared(tile)) / kPackBytes) {}
  /// Those from the row'th on, a multiple of 8.
  __device__ __forceinline__ SwizzledRows from(int row) const {
    return SwizzledRows(packs_ + row * kSwizzledRow / kPackChannels);
  }
  /// Of the channels from 16 * depth on: rows that are permuted in 128 bytes, 8 of them in kSwizzleBytes.
  __device__ __forceinline__ uint64_t describe(int depth) const {
    constexpr uint32_t kPermuted = 1u << 30;
    uint64_t descriptor;
    asm("mov.b64 %0, {%1, %2};"
        : "=l"(descriptor)
        : "r"(packs_ + depth * 16 / kPackChannels), "r"(static_cast<uint32_t>(kSwizzleBytes) / kPackBytes | kPermuted));
    return descriptor;
  }

 private:
  static constexpr uint32_t kPackBytes = 16;
  static constexpr int kPackChannels = 8;
  __device__ __forceinline__ explicit SwizzledRows(uint32_t packs) : packs_(packs) {}

  uint32_t packs_;  // where they begin
};

/// What this thread has written to shared memory becomes visible to products after the next barrier.
__device__ __forceinline__ void showToProducts() {
#if defined(__CUDA_ARCH_FEAT_SM90_ALL)
  asm volatile("fence.proxy.async.shared::cta;" : : : "memory");
#endif
}

/// A warpgroup's products. Until finish(), what they add to may not be touched and what they read may not be changed.
class WarpgroupProducts {
 public:
  /// Keeps what computes left factors, which is no volatile assembly, where it is written: before the begin() of
  /// products that read them, and behind the finish() of products that did.
  template <int kParts>
  __device__ __forceinline__ static void settle(uint32_t (&a)[kParts][4]) {
#pragma unroll
    for (int i = 0; i < kParts; ++i) {
      asm volatile("" : "+r"(a[i][0]), "+r"(a[i][1]), "+r"(a[i][2]), "+r"(a[i][3]) : : "memory");
    }
  }

  /// Before the first products, and before others once anything but products has read or written their registers.
  __device__ __forceinline__ void begin() {
#if defined(__CUDA_ARCH_FEAT_SM90_ALL)
    asm volatile("wgmma.fence.sync.aligned;" : : : "memory");
#endif
  }

  /// C (64,48), what it holds only if kAdds, + A (64,16) B^T: B is 48 rows' channels from 16 * depth on.
  template <bool kAdds>
  __device__ __forceinline__ void startAcross(float (&c)[6][4], const uint32_t (&a)[4], const SwizzledRows& rows,
                                              int depth) {
#if defined(__CUDA_ARCH_FEAT_SM90_ALL)
    asm volatile(
        "{\n"
        ".reg .pred adds;\n"
        "setp.ne.b32 adds, %29, 0;\n"
        "wgmma.mma_async.sync.aligned.m64n48k16.f32.bf16.bf16 "
        "{%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, %16, %17, %18, %19, %20, %21, %22, "
        "%23}, {%24, %25, %26, %27}, %28, adds, 1, 1, 0;\n"
        "}\n"
        : "+f"(c[0][0]), "+f"(c[0][1]), "+f"(c[0][2]), "+f"(c[0][3]), "+f"(c[1][0]), "+f"(c[1][1]), "+f"(c[1][2]),
          "+f"(c[1][3]), "+f"(c[2][0]), "+f"(c[2][1]), "+f"(c[2][2]), "+f"(c[2][3]), "+f"(c[3][0]), "+f"(c[3][1]),
          "+f"(c[3][2]), "+f"(c[3][3]), "+f"(c[4][0]), "+f"(c[4][1]), "+f"(c[4][2]), "+f"(c[4][3]), "+f"(c[5][0]),
          "+f"(c[5][1]), "+f"(c[5][2]), "+f"(c[5][3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(rows.describe(depth)), "r"(kAdds ? 1 : 0));
#endif
  }

  /// C (64,64) += A (64,16) B: B is 16 rows.
  __device__ __forceinline__ void startAlong(float (&c)[8][4], const uint32_t (&a)[4], const SwizzledRows& rows) {
#if defined(__CUDA_ARCH_FEAT_SM90_ALL)
    asm volatile(
        "{\n"
        ".reg .pred adds;\n"
        "setp.ne.b32 adds, %37, 0;\n"
        "wgmma.mma_async.sync.aligned.m64n64k16.f32.bf16.bf16 "
        "{%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, %16, %17, %18, %19, %20, %21, %22, "
        "%23, %24, %25, %26, %27, %28, %29, %30, %31}, {%32, %33, %34, %35}, %36, adds, 1, 1, 1;\n"
        "}\n"
        : "+f"(c[0][0]), "+f"(c[0][1]), "+f"(c[0][2]), "+f"(c[0][3]), "+f"(c[1][0]), "+f"(c[1][1]), "+f"(c[1][2]),
          "+f"(c[1][3]), "+f"(c[2][0]), "+f"(c[2][1]), "+f"(c[2][2]), "+f"(c[2][3]), "+f"(c[3][0]), "+f"(c[3][1]),
          "+f"(c[3][2]), "+f"(c[3][3]), "+f"(c[4][0]), "+f"(c[4][1]), "+f"(c[4][2]), "+f"(c[4][3]), "+f"(c[5][0]),
          "+f"(c[5][1]), "+f"(c[5][2]), "+f"(c[5][3]), "+f"(c[6][0]), "+f"(c[6][1]), "+f"(c[6][2]), "+f"(c[6][3]),
          "+f"(c[7][0]), "+f"(c[7][1]), "+f"(c[7][2]), "+f"(c[7][3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(rows.describe(0)), "r"(1));
#endif
  }

  /// What was started since the last call, possibly nothing, is a group.
  __device__ __forceinline__ void endGroup() {
#if defined(__CUDA_ARCH_FEAT_SM90_ALL)
    asm volatile("wgmma.commit_group.sync.aligned;" : : : "memory");
#endif
  }

  /// Waits for all groups but the kLater that ended last, those that add to `c` among the former.
  template <int kLater, int kColumns>
  __device__ __forceinline__ void finish(float (&c)[kColumns][4]) {
#if defined(__CUDA_ARCH_FEAT_SM90_ALL)
    asm volatile("wgmma.wait_group.sync.aligned %0;" : : "n"(kLater) : "memory");
#endif
#pragma unroll
    for (int i = 0; i < kColumns; ++i) {  // or the compiler might read them earlier
      asm volatile("" : "+f"(c[i][0]), "+f"(c[i][1]), "+f"(c[i][2]), "+f"(c[i][3]) : : "memory");
    }
  }
};

#endif

}  // namespace dinomaly::cuda
