#include "backend/cpu/cpu_backend.h"
#include "backend/host_memory.h"

namespace dinomaly {
namespace {

constexpr size_t kMaxIdleBytes = size_t{1} << 30;

}  // namespace

CpuBackend::CpuBackend(int threads, CpuPrecision precision)
    : threads_(threads), pool_(std::make_shared<BufferPool>(kHostMemory, kMaxIdleBytes)) {
  if (precision != CpuPrecision::int8) return;
  bytes_ = std::make_unique<Int8Weights>(threads_, [this](int64_t bytes) { return allocateBytes(bytes); });
}

std::shared_ptr<void> CpuBackend::allocateBytes(int64_t bytes) {
  return pool_->allocateBytes(bytes);
}

}  // namespace dinomaly
