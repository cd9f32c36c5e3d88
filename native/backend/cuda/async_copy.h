// Copies from global to shared memory that go on while the thread computes (cp.async on 8.0 and newer, at once before).
#pragma once

#include "backend/cuda/device.h"

#if !defined(__CUDACC__)
#include "backend/cuda/emulated/async_copy.h"
#else

namespace dinomaly::cuda {

/// One thread's copies. What others copied is there after a barrier that follows their wait().
class AsyncCopies {
 public:
  /// 16 bytes, both sides aligned to 16; zeros instead if not `inside` (then nothing is read).
  __device__ __forceinline__ void start(void* to, const void* from, bool inside) {
#if __CUDA_ARCH__ >= 800
    const auto address = static_cast<unsigned>(__cvta_generic_to_shared(to));
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;"
                 :
                 : "r"(address), "l"(__cvta_generic_to_global(from)), "r"(inside ? 16 : 0)
                 : "memory");
#else
    *static_cast<uint4*>(to) = inside ? *static_cast<const uint4*>(from) : make_uint4(0, 0, 0, 0);
#endif
  }

  /// For all that this thread has started.
  __device__ __forceinline__ void wait() {
#if __CUDA_ARCH__ >= 800
    asm volatile("cp.async.wait_all;" : : : "memory");
#endif
  }

  /// What was started since the last call, possibly nothing, is a group.
  __device__ __forceinline__ void endGroup() {
#if __CUDA_ARCH__ >= 800
    asm volatile("cp.async.commit_group;" : : : "memory");
#endif
  }

  /// For all groups but the kLater that ended last.
  template <int kLater>
  __device__ __forceinline__ void waitForGroup() {
#if __CUDA_ARCH__ >= 800
    asm volatile("cp.async.wait_group %0;" : : "n"(kLater) : "memory");
#endif
  }
};

}  // namespace dinomaly::cuda

#endif
