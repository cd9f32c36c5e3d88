// A backend's memory: freed blocks are kept and handed out again, so that a repeated shape allocates nothing.
#pragma once

#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "backend/backend.h"

namespace dinomaly {

class BufferPool : public std::enable_shared_from_this<BufferPool> {
 public:
  /// Where blocks come from (aligned to 64 bytes; null: there is too little) and go to.
  struct Source {
    void* (*take)(size_t bytes);
    void (*give)(void* block) noexcept;
    // For what is said when there is too little.
    const char* kind = "memory";
    size_t (*freeBytes)() = nullptr;  // null: nobody knows
  };
  /// At most maxIdleBytes are kept for later.
  BufferPool(Source source, size_t maxIdleBytes) : source_(source), maxIdleBytes_(maxIdleBytes) {}
  ~BufferPool();
  BufferPool(const BufferPool&) = delete;
  BufferPool& operator=(const BufferPool&) = delete;
  /// Throws ERR_OUT_OF_MEMORY.
  std::shared_ptr<void> allocateBytes(int64_t bytes);
  /// Gives back what is idle.
  void dropIdle() noexcept;

 private:
  void* take(size_t bytes);
  void* takeIdle(size_t bytes);
  void release(void* block, size_t bytes) noexcept;  // called by destructors
  void trim() noexcept;

  const Source source_;
  const size_t maxIdleBytes_;
  std::mutex mutex_;  // buffers may be dropped by another thread than the network's
  std::unordered_map<size_t, std::vector<void*>> idle_;
  size_t idleBytes_ = 0;
};

}  // namespace dinomaly
