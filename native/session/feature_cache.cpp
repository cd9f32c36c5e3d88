#include "session/feature_cache.h"

#include <utility>

namespace dinomaly {

void FeatureCache::reset(int64_t capacity) {
  clear();
  std::lock_guard<std::mutex> lock(mutex_);
  capacity_ = free_ = capacity;
}

void FeatureCache::clear() {
  std::unordered_map<int64_t, KeptFeatures> old;  // freed after the lock: it may be gigabytes
  std::lock_guard<std::mutex> lock(mutex_);
  old.swap(kept_);
  free_ = capacity_;
}

bool FeatureCache::has(int64_t id) const {
  std::lock_guard<std::mutex> lock(mutex_);
  return kept_.count(id) != 0;
}

std::optional<KeptFeatures> FeatureCache::find(int64_t id) const {
  std::lock_guard<std::mutex> lock(mutex_);
  const auto found = kept_.find(id);
  return found == kept_.end() ? std::nullopt : std::optional(found->second);
}

bool FeatureCache::fits(int64_t hostBytes) const {
  std::lock_guard<std::mutex> lock(mutex_);
  return hostBytes <= free_;
}

void FeatureCache::keep(int64_t id, KeptFeatures features, int64_t hostBytes) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (hostBytes <= free_ && kept_.emplace(id, std::move(features)).second) free_ -= hostBytes;
}

}  // namespace dinomaly
