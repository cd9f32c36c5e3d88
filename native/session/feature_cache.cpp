#include "session/feature_cache.h"

#include <utility>

namespace dinomaly {

void FeatureCache::reset(int64_t capacity) {
  clear();
  std::lock_guard<std::mutex> lock(mutex_);
  capacity_ = free_ = capacity;
}

void FeatureCache::clear() {
  std::unordered_map<int64_t, std::shared_ptr<const Features>> old;  // freed after the lock: it may be gigabytes
  std::lock_guard<std::mutex> lock(mutex_);
  old.swap(kept_);
  free_ = capacity_;
}

bool FeatureCache::has(int64_t id) const {
  std::lock_guard<std::mutex> lock(mutex_);
  return kept_.count(id) != 0;
}

std::shared_ptr<const Features> FeatureCache::find(int64_t id) const {
  std::lock_guard<std::mutex> lock(mutex_);
  const auto found = kept_.find(id);
  return found == kept_.end() ? nullptr : found->second;
}

void FeatureCache::keep(int64_t id, std::shared_ptr<const Features> features, int64_t bytes) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (bytes <= free_ && kept_.emplace(id, std::move(features)).second) free_ -= bytes;
}

}  // namespace dinomaly
