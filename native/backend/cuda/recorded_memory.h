// What recordings of one stream work in. They are played one after the other and hold nothing in between, so they
// share.
#pragma once

#include <atomic>
#include <cstdint>
#include <list>
#include <memory>
#include <vector>

#include "backend/buffer_pool.h"

namespace dinomaly::cuda {

/// The blocks of one recording, which are nobody else's but other recordings' while it is kept, freed or not: it goes
/// on using their addresses. They come from the pool, and go back with the last recording and holder.
class RecordedMemory {
 public:
  RecordedMemory() = default;
  RecordedMemory(const RecordedMemory&) = delete;
  RecordedMemory& operator=(const RecordedMemory&) = delete;

  /// A block that nobody holds at present: of this recording, else of `others`, else from the pool. Only one of just
  /// these bytes: the pool has those of the run before the recording, which would lie idle if longer ones were taken.
  std::shared_ptr<void> allocate(int64_t bytes, const std::list<const RecordedMemory*>& others, BufferPool& pool);

 private:
  struct Block {
    std::shared_ptr<void> memory;
    int64_t bytes;
    std::atomic<bool> held{false};  // buffers may be dropped by another thread than the network's
  };

  std::shared_ptr<Block> find(int64_t bytes, const std::list<const RecordedMemory*>& others) const;
  std::shared_ptr<Block> findOwn(int64_t bytes) const;

  std::vector<std::shared_ptr<Block>> blocks_;
};

}  // namespace dinomaly::cuda
