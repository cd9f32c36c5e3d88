#include "backend/cpu/buffer_pool.h"

#include <cstdlib>
#include <new>
#include <string>

#include "core/error.h"

namespace dinomaly {
namespace {

constexpr size_t kAlignment = 64;
constexpr size_t kMaxIdleBytes = size_t{1} << 30;

}  // namespace

BufferPool::~BufferPool() {
  trim();
}

Buffer BufferPool::allocate(int64_t size) {
  const size_t bytes = (static_cast<size_t>(size) * sizeof(float) + kAlignment - 1) / kAlignment * kAlignment;
  float* block = nullptr;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    auto found = idle_.find(bytes);
    if (found != idle_.end() && !found->second.empty()) {
      block = found->second.back();
      found->second.pop_back();
      idleBytes_ -= bytes;
    }
  }
  if (!block) block = static_cast<float*>(std::aligned_alloc(kAlignment, bytes));
  if (!block) {
    {
      std::lock_guard<std::mutex> lock(mutex_);
      trim();
    }
    block = static_cast<float*>(std::aligned_alloc(kAlignment, bytes));
  }
  if (!block) {
    throw Error("ERR_OUT_OF_MEMORY", "expected " + std::to_string(bytes >> 20) +
                                         " MiB of free memory, found less: use a smaller batch, crop or encoder");
  }
  return Buffer(block, [pool = shared_from_this(), bytes](float* freed) { pool->release(freed, bytes); });
}

void BufferPool::release(float* block, size_t bytes) noexcept {
  std::lock_guard<std::mutex> lock(mutex_);
  try {
    idle_[bytes].push_back(block);
  } catch (const std::bad_alloc&) {  // no memory to remember it by
    std::free(block);
    return;
  }
  idleBytes_ += bytes;
  if (idleBytes_ > kMaxIdleBytes) trim();
}

void BufferPool::trim() {
  for (auto& [bytes, blocks] : idle_) {
    for (float* block : blocks) std::free(block);
  }
  idle_.clear();
  idleBytes_ = 0;
}

}  // namespace dinomaly
