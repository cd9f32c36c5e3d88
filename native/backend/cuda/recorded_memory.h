// What recordings of one stream work in. They are played one after the other and hold nothing in between, so they share.
#pragma once

#include <atomic>
#include <cstdint>
#include <list>
#include <memory>
#include <vector>

#include "backend/buffer_pool.h"

namespace dinomaly::cuda {

/// The blocks of one recording, which are nobody else's but other recordings' while it is kept, freed or not: it goes on
/// using their addresses. They come from the pool, and go back with the last recording and holder.
class RecordedMemory {
 public:
  RecordedMemory() = default;
  RecordedMemory(const RecordedMemory&) = delete;
  RecordedMemory& operator=(const RecordedMemory&) = delete;

  /// A block that nobody holds at present: of this recording, else of `others`, else from the pool. Of its own and of
  /// others', one of just these bytes is taken before a longer one; its own longer ones are left for what is as long.
  std::shared_ptr<void> allocate(int64_t bytes, const std::list<const RecordedMemory*>& others, BufferPool& pool);

 private:
  struct Block {
    std::shared_ptr<void> memory;
    int64_t bytes;
    std::atomic<bool> held{false};  // buffers may be dropped by another thread than the network's
  };

  std::shared_ptr<Block> find(int64_t bytes, const std::list<const RecordedMemory*>& others) const;
  static void takeShortest(std::shared_ptr<Block>& best, const RecordedMemory& from, int64_t least, int64_t most);

  std::vector<std::shared_ptr<Block>> blocks_;
};

}  // namespace dinomaly::cuda
