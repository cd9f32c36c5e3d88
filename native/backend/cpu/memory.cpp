#include <cstring>

#include "backend/cpu/cpu_backend.h"

namespace dinomaly {

Buffer CpuBackend::allocate(int64_t size) {
  return pool_->allocate(size);
}

void CpuBackend::upload(float* to, const float* from, int64_t size) {
  copy(to, from, size);
}

void CpuBackend::download(float* to, const float* from, int64_t size) {
  copy(to, from, size);
}

void CpuBackend::zero(float* x, int64_t size) {
  std::memset(x, 0, static_cast<size_t>(size) * sizeof(float));
}

void CpuBackend::copy(float* to, const float* from, int64_t size) {
  std::memcpy(to, from, static_cast<size_t>(size) * sizeof(float));
}

}  // namespace dinomaly
