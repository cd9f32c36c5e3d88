#include "backend/buffer_pool.h"

#include <algorithm>
#include <new>
#include <optional>

#include "core/out_of_memory.h"

namespace dinomaly {
namespace {

constexpr size_t kGranularity = 64;

}  // namespace

BufferPool::~BufferPool() {
  trim();
}

std::shared_ptr<void> BufferPool::allocateBytes(int64_t size) {
  const auto wanted = std::max(size_t{1}, static_cast<size_t>(size));  // none would have no address
  const size_t bytes = (wanted + kGranularity - 1) / kGranularity * kGranularity;
  void* const block = take(bytes);
  if (!block) {
    throw outOfMemory(source_.kind, bytes, source_.freeBytes ? std::optional(source_.freeBytes()) : std::nullopt);
  }
  return {block, [pool = shared_from_this(), bytes](void* freed) { pool->release(freed, bytes); }};
}

void BufferPool::dropIdle() noexcept {
  std::lock_guard<std::mutex> lock(mutex_);
  trim();
}

/// Null where there is too little.
void* BufferPool::take(size_t bytes) {
  if (void* const block = takeIdle(bytes)) return block;
  if (void* const block = source_.take(bytes)) return block;
  dropIdle();
  return source_.take(bytes);
}

void* BufferPool::takeIdle(size_t bytes) {
  std::lock_guard<std::mutex> lock(mutex_);
  const auto found = idle_.find(bytes);
  if (found == idle_.end() || found->second.empty()) return nullptr;
  void* const block = found->second.back();
  found->second.pop_back();
  idleBytes_ -= bytes;
  return block;
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

void BufferPool::trim() noexcept {
  for (auto& [bytes, blocks] : idle_) {
    for (void* block : blocks) source_.give(block);
  }
  idle_.clear();
  idleBytes_ = 0;
}

}  // namespace dinomaly
