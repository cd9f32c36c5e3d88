#include "backend/host_memory.h"

#include <cstdlib>

namespace dinomaly {
namespace {

constexpr size_t kAlignment = 64;

void* takeAligned(size_t bytes) {
  return std::aligned_alloc(kAlignment, bytes);  // the pool asks for multiples of it
}
void giveBack(void* block) noexcept {
  std::free(block);
}

}  // namespace

const BufferPool::Source kHostMemory{takeAligned, giveBack};

}  // namespace dinomaly
