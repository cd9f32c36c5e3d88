#include <cstdlib>
#include <cstring>

#include "backend/cpu/cpu_backend.h"

namespace dinomaly {
namespace {

constexpr size_t kAlignment = 64;
constexpr size_t kMaxIdleBytes = size_t{1} << 30;

void* takeAligned(size_t bytes) {
  return std::aligned_alloc(kAlignment, bytes);  // the pool asks for multiples of it
}
void giveBack(void* block) noexcept {
  std::free(block);
}

}  // namespace

CpuBackend::CpuBackend(int threads)
    : threads_(threads),
      pool_(std::make_shared<BufferPool>(BufferPool::Source{takeAligned, giveBack}, kMaxIdleBytes)) {}

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
