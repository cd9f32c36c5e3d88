// Encoder features of training pictures. The encoder is frozen and nothing is augmented, so they never change.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <variant>

#include "model/dinomaly.h"

namespace dinomaly {

/// On the device or, where it has no room to spare, on the host.
using KeptFeatures = std::variant<std::shared_ptr<const Features>, std::shared_ptr<const HostFeatures>>;

/// Safe to use from several threads.
class FeatureCache {
 public:
  /// Forgets everything; from now on keeps at most `capacity` bytes of the host's memory.
  void reset(int64_t capacity);
  /// Forgets everything: the encoder's weights change.
  void clear();
  bool has(int64_t id) const;
  std::optional<KeptFeatures> find(int64_t id) const;
  bool fits(int64_t hostBytes) const;
  /// Keeps the features of picture `id` if they still fit; what is kept stays until reset().
  void keep(int64_t id, KeptFeatures features, int64_t hostBytes);

 private:
  mutable std::mutex mutex_;
  std::unordered_map<int64_t, KeptFeatures> kept_;
  int64_t capacity_ = 0, free_ = 0;  // bytes
};

}  // namespace dinomaly
