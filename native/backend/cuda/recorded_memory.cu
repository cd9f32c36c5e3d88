#include <algorithm>

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
  std::shared_ptr<Block> found = findOwn(bytes);
  for (const RecordedMemory* other : others) {
    if (!found) found = other->findOwn(bytes);
  }
  return found;
}

std::shared_ptr<RecordedMemory::Block> RecordedMemory::findOwn(int64_t bytes) const {
  const auto fits = [bytes](const std::shared_ptr<Block>& block) { return !block->held && block->bytes == bytes; };
  const auto found = std::find_if(blocks_.begin(), blocks_.end(), fits);
  return found == blocks_.end() ? nullptr : *found;
}

}  // namespace dinomaly::cuda
