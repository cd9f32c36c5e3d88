// Encoder features of training pictures. The encoder is frozen and nothing is augmented, so they never change.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <unordered_map>

#include "model/dinomaly.h"

namespace dinomaly {

/// Safe to use from several threads.
class FeatureCache {
 public:
  /// Forgets everything; from now on keeps at most `capacity` bytes.
  void reset(int64_t capacity);
  /// Forgets everything: the encoder's weights change.
  void clear();
  bool has(int64_t id) const;
  /// Null when not kept.
  std::shared_ptr<const Features> find(int64_t id) const;
  /// Keeps the features of picture `id` if they still fit; what is kept stays until reset().
  void keep(int64_t id, std::shared_ptr<const Features> features, int64_t bytes);

 private:
  mutable std::mutex mutex_;
  std::unordered_map<int64_t, std::shared_ptr<const Features>> kept_;
  int64_t capacity_ = 0, free_ = 0;  // bytes
};

}  // namespace dinomaly
