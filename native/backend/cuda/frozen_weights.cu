#include "backend/cuda/frozen_weights.h"

namespace dinomaly::cuda {

Buffer FrozenWeights::allocate(int64_t size) {
  std::shared_ptr<void> block = pool_->allocateBytes(size * static_cast<int64_t>(sizeof(float)));
  auto* const values = static_cast<float*>(block.get());
  {
    const std::lock_guard<std::mutex> lock(known_->mutex);
    known_->addresses.insert(values);
  }
  return {values, [block = std::move(block), known = known_](float* freed) {
            const std::lock_guard<std::mutex> lock(known->mutex);
            known->addresses.erase(freed);
          }};
}

bool FrozenWeights::has(const float* w) const {
  const std::lock_guard<std::mutex> lock(known_->mutex);
  return known_->addresses.count(w) != 0;
}

}  // namespace dinomaly::cuda
