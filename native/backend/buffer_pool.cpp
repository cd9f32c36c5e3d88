#include "backend/buffer_pool.h"

#include <algorithm>
#include <new>
#include <string>

#include "core/error.h"

namespace dinomaly {
namespace {

constexpr size_t kGranularity = 64;

}  // namespace

BufferPool::~BufferPool() {
  trim();
}

Buffer BufferPool::allocate(int64_t size) {
  const auto wanted = std::max(size_t{1}, static_cast<size_t>(size) * sizeof(float));  // none would have no address
  const size_t bytes = (wanted + kGranularity - 1) / kGranularity * kGranularity;
  void* block = nullptr;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    auto found = idle_.find(bytes);
    if (found != idle_.end() && !found->second.empty()) {
      block = found->second.back();
      found->second.pop_back();
      idleBytes_ -= bytes;
    }
  }
  if (!block) block = source_.take(bytes);
  if (!block) {
    {
      std::lock_guard<std::mutex> lock(mutex_);
      trim();
    }
    block = source_.take(bytes);
  }
  if (!block) {
    throw Error("ERR_OUT_OF_MEMORY", "expected " + std::to_string(bytes >> 20) +
                                         " MiB of free memory, found less: use a smaller batch, crop or encoder");
  }
  return Buffer(static_cast<float*>(block),
                [pool = shared_from_this(), bytes](float* freed) { pool->release(freed, bytes); });
}

void BufferPool::release(void* block, size_t bytes) noexcept {
  std::lock_guard<std::mutex> lock(mutex_);
  if (bytes > maxIdleBytes_) {
    source_.give(block);
    return;
  }
  try {
    idle_[bytes].push_back(block);
  } catch (const std::bad_alloc&) {  // no memory to remember it by
    source_.give(block);
    return;
  }
  idleBytes_ += bytes;
  if (idleBytes_ > maxIdleBytes_) trim();
}

void BufferPool::trim() {
  for (auto& [bytes, blocks] : idle_) {
    for (void* block : blocks) source_.give(block);
  }
  idle_.clear();
  idleBytes_ = 0;
}

}  // namespace dinomaly
