// Compiled without AVX2, so that an older processor gets an error instead of an illegal instruction.
#include "backend/cpu/cpu_backend.h"

#include <algorithm>
#include <thread>

#include "core/error.h"

namespace dinomaly {

std::unique_ptr<Backend> makeCpuBackend(int threads, CpuPrecision precision) {
#if defined(__x86_64__)
  if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma") || !__builtin_cpu_supports("f16c")) {
    throw Error("ERR_DEVICE_UNAVAILABLE",
                "expected a processor with AVX2, FMA and F16C (x86-64-v3, from 2013 on), found an older one");
  }
#endif
  const auto cores = static_cast<int>(std::thread::hardware_concurrency());
  return std::make_unique<CpuBackend>(threads > 0 ? threads : std::max(1, cores), precision);
}

}  // namespace dinomaly
