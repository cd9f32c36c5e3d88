// Launching kernels, on a device or in the emulation.
#pragma once

#include <cstddef>
#include <utility>

#include "backend/cuda/device.h"
#include "backend/cuda/errors.h"
#include "core/error.h"

namespace dinomaly::cuda {

/// Null: on the emulated device what runs at once and is never recorded.
using Stream = cudaStream_t;

#if defined(__CUDACC__)

template <typename... Parameters, typename... Arguments>
void launch(Stream stream, void (*kernel)(Parameters...), dim3 grid, dim3 block, size_t sharedBytes,
            Arguments&&... arguments) {
  constexpr size_t kWithoutAsking = 48 * 1024;
  if (sharedBytes > kWithoutAsking) {
    check(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(sharedBytes)),
          "asking for shared memory");
  }
  kernel<<<grid, block, sharedBytes, stream>>>(std::forward<Arguments>(arguments)...);
  check(cudaGetLastError(), "a kernel's launch");
}

#else

template <typename... Parameters, typename... Arguments>
void launch(Stream stream, void (*kernel)(Parameters...), dim3 grid, dim3 block, size_t sharedBytes,
            const Arguments&... arguments) {
  emulated::enqueue(stream, [=] { emulated::runGrid(grid, block, sharedBytes, [&] { kernel(arguments...); }); });
  check(cudaGetLastError(), "a kernel's launch");  // of calls before it, as on a device
}

#endif

/// As many blocks of `size` as hold `count`.
inline unsigned blocksOf(int64_t count, int64_t size) {
  return static_cast<unsigned>((count + size - 1) / size);
}

}  // namespace dinomaly::cuda
