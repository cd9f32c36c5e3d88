// CUDA's errors as this package's.
#pragma once

#include "backend/cuda/device.h"

#if !defined(__CUDACC__)
#include "backend/cuda/emulated/runtime.h"
#endif

namespace dinomaly::cuda {

/// The code of lib/errors.ts that a call's failure has: ERR_OUT_OF_MEMORY, ERR_DEVICE_LOST where nothing can be
/// computed in this context any more, ERR_DEVICE_UNAVAILABLE where it never could, else ERR_INTERNAL.
const char* codeOf(cudaError_t status);

/// What to do about it.
const char* adviceFor(const char* code);

/// Throws an error for `what`, which ended with `status`.
[[noreturn]] void fail(cudaError_t status, const char* what);

inline void check(cudaError_t status, const char* what) {
  if (status != cudaSuccess) fail(status, what);
}

/// For destructors, whose calls fail only where the device is lost, with all that was on it.
inline void ignore(cudaError_t status) noexcept {
  if (status != cudaSuccess) cudaGetLastError();  // or the next launch, maybe on another device, would report it
}

}  // namespace dinomaly::cuda
