// The host's memory, for pools.
#pragma once

#include "backend/buffer_pool.h"

namespace dinomaly {

extern const BufferPool::Source kHostMemory;

}  // namespace dinomaly
