// A backend's memory: freed blocks are kept and handed out again, so that a repeated shape allocates nothing.
#pragma once

#include <limits>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <utility>
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
  /// A pool whose blocks are the parent's and, once they have been handed out, nobody else's until close(), freed or
  /// not: whoever knows their addresses may go on using them.
  explicit BufferPool(std::shared_ptr<BufferPool> parent)
      : parent_(std::move(parent)), maxIdleBytes_(std::numeric_limits<size_t>::max()) {}
  ~BufferPool();
  BufferPool(const BufferPool&) = delete;
  BufferPool& operator=(const BufferPool&) = delete;
  /// Throws ERR_OUT_OF_MEMORY.
  std::shared_ptr<void> allocateBytes(int64_t bytes);
  /// Gives back what is idle.
  void dropIdle() noexcept;
  /// The same, and from now on each block when it is freed.
  void close() noexcept;

 private:
  void* take(size_t bytes);
  void* takeIdle(size_t bytes);
  const Source& source() const { return parent_ ? parent_->source() : source_; }
  void release(void* block, size_t bytes) noexcept;  // called by destructors
  void giveBack(void* block, size_t bytes) noexcept;
  void trim() noexcept;

  std::shared_ptr<BufferPool> parent_;
  Source source_{};  // where there is no parent
  size_t maxIdleBytes_;
  std::mutex mutex_;  // buffers may be dropped by another thread than the network's
  std::unordered_map<size_t, std::vector<void*>> idle_;
  size_t idleBytes_ = 0;
};

}  // namespace dinomaly
