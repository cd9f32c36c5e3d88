#include "session/feature_cache.h"

#include <utility>

namespace dinomaly {

void FeatureCache::reset(FeatureRoom room) {
  room_ = std::move(room);
  clear();
}

void FeatureCache::clear() {
  {
    Kept kept;  // freed after the lock, as the others: it may be gigabytes
    Fetched fetched;
    std::shared_ptr<FeatureFile> file;
    std::lock_guard<std::mutex> lock(mutex_);
    kept.swap(kept_);
    fetched.swap(fetched_);
    file.swap(file_);
    free_ = room_.hostBytes;
  }
  if (room_.folder.empty()) return;
  auto file = std::make_shared<FeatureFile>(room_.folder);  // without the lock: the folder may lie on a slow network
  std::lock_guard<std::mutex> lock(mutex_);
  file_ = std::move(file);
}

bool FeatureCache::has(int64_t id) const {
  std::lock_guard<std::mutex> lock(mutex_);
  return kept_.count(id) != 0;
}

bool FeatureCache::read(int64_t id) {
  const std::shared_ptr<FeatureFile> from = file();
  auto features = from ? from->read(id) : nullptr;
  std::lock_guard<std::mutex> lock(mutex_);
  if (!features || file_ != from) return false;  // everything was forgotten meanwhile
  fetched_.emplace(id, std::move(features));
  return true;
}

std::optional<KeptFeatures> FeatureCache::find(int64_t id) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (const auto found = kept_.find(id); found != kept_.end()) return found->second;
  const auto fetched = fetched_.find(id);
  if (fetched == fetched_.end()) return std::nullopt;
  KeptFeatures features = std::move(fetched->second);
  fetched_.erase(fetched);
  return features;
}

bool FeatureCache::fits(int64_t hostBytes) const {
  std::lock_guard<std::mutex> lock(mutex_);
  return hostBytes <= free_;
}

void FeatureCache::keep(int64_t id, KeptFeatures features, int64_t hostBytes) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (hostBytes <= free_ && kept_.emplace(id, std::move(features)).second) free_ -= hostBytes;
}

bool FeatureCache::fileTakes(int64_t id, int64_t bytes) const {
  const std::shared_ptr<FeatureFile> to = file();
  return to && to->takes(id, bytes);
}

void FeatureCache::write(int64_t id, const HostFeatures& features) {
  if (const std::shared_ptr<FeatureFile> to = file()) to->write(id, features);
}

std::shared_ptr<FeatureFile> FeatureCache::file() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return file_;
}

}  // namespace dinomaly
