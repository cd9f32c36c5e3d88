// Memory of the CPU backend: freed blocks are kept and handed out again, so that a repeated shape allocates nothing.
#pragma once

#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "backend/backend.h"

namespace dinomaly {

class BufferPool : public std::enable_shared_from_this<BufferPool> {
 public:
  ~BufferPool();
  /// A block of `size` floats, aligned to 64 bytes. Throws ERR_OUT_OF_MEMORY.
  Buffer allocate(int64_t size);

 private:
  void release(float* block, size_t bytes) noexcept;  // called by destructors
  void trim();

  std::mutex mutex_;  // buffers may be dropped by another thread than the network's
  std::unordered_map<size_t, std::vector<float*>> idle_;
  size_t idleBytes_ = 0;
};

}  // namespace dinomaly
