#include <algorithm>
#include <limits>

#include "backend/cuda/recorded_memory.h"

namespace dinomaly::cuda {

std::shared_ptr<void> RecordedMemory::allocate(int64_t bytes, const std::list<const RecordedMemory*>& others,
                                               BufferPool& pool) {
  std::shared_ptr<Block> block = find(bytes, others);
  if (!block) {
    block = std::make_shared<Block>();
    block->memory = pool.allocateBytes(bytes);
    block->bytes = bytes;
  }
  if (std::find(blocks_.begin(), blocks_.end(), block) == blocks_.end()) blocks_.push_back(block);
  block->held = true;
  return {block->memory.get(), [block](void*) { block->held = false; }};
}

std::shared_ptr<RecordedMemory::Block> RecordedMemory::find(int64_t bytes,
                                                            const std::list<const RecordedMemory*>& others) const {
  std::shared_ptr<Block> best;
  takeShortest(best, *this, bytes, bytes);
  for (const RecordedMemory* other : others) takeShortest(best, *other, bytes, std::numeric_limits<int64_t>::max());
  return best;
}

void RecordedMemory::takeShortest(std::shared_ptr<Block>& best, const RecordedMemory& from, int64_t least,
                                  int64_t most) {
  for (const std::shared_ptr<Block>& block : from.blocks_) {
    if (block->held || block->bytes < least || block->bytes > most) continue;
    if (!best || block->bytes < best->bytes) best = block;
  }
}

}  // namespace dinomaly::cuda
