// Weights that training does not change and that products read rounded copies of: they stay in the host's memory.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <unordered_set>

#include "backend/backend.h"
#include "backend/host_memory.h"

namespace dinomaly::cuda {

class FrozenWeights {
 public:
  /// Throws ERR_OUT_OF_MEMORY.
  Buffer allocate(int64_t size);
  bool has(const float* w) const;

 private:
  struct Known {
    std::mutex mutex;  // buffers may be dropped by another thread than the network's
    std::unordered_set<const float*> addresses;
  };

  std::shared_ptr<BufferPool> pool_ = std::make_shared<BufferPool>(kHostMemory, 0);
  std::shared_ptr<Known> known_ = std::make_shared<Known>();
};

}  // namespace dinomaly::cuda
