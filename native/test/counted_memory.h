// Memory for a BufferPool that counts what is taken and given back, and can be short.
#pragma once

#include <cstdlib>
#include <limits>
#include <map>

#include "backend/buffer_pool.h"

namespace dinomaly {

class CountedMemory {
 public:
  CountedMemory() {
    takenBlocks = givenBlocks = 0;
    heldBytes = 0;
    mostBytes = std::numeric_limits<size_t>::max();
  }

  static BufferPool::Source source() { return {take, give}; }

  static inline int64_t takenBlocks = 0, givenBlocks = 0;
  static inline size_t heldBytes = 0, mostBytes = 0;

 private:
  static void* take(size_t bytes) {
    if (heldBytes + bytes > mostBytes) return nullptr;
    void* const block = std::aligned_alloc(64, bytes);
    sizes[block] = bytes;
    heldBytes += bytes;
    ++takenBlocks;
    return block;
  }
  static void give(void* block) noexcept {
    heldBytes -= sizes[block];
    sizes.erase(block);
    ++givenBlocks;
    std::free(block);
  }

  static inline std::map<void*, size_t> sizes;
};

}  // namespace dinomaly
