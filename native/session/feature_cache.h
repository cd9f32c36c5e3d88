// Encoder features of training pictures. The encoder is frozen and nothing is augmented, so they never change.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <variant>

#include "model/dinomaly.h"
#include "session/feature_file.h"

namespace dinomaly {

/// On the device or, where it has no room to spare, on the host.
using KeptFeatures = std::variant<std::shared_ptr<const Features>, std::shared_ptr<const HostFeatures>>;

/// Where features may be kept beside the device.
struct FeatureRoom {
  int64_t hostBytes = 0;
  std::string folder;  // of a file for what is left over; empty: there is none
};

/// Safe to use from several threads.
class FeatureCache {
 public:
  /// Forgets everything; from now on keeps as much as there is room for.
  void reset(FeatureRoom room);
  /// Forgets everything: the encoder's weights change.
  void clear();
  /// Whether find() will have the features of this picture: they are in memory.
  bool has(int64_t id) const;
  /// Brings features from the file into memory for the next find(), so that no step has to wait for a disk. False: they
  /// are not in the file, or are lost.
  bool read(int64_t id);
  std::optional<KeptFeatures> find(int64_t id);

  bool fits(int64_t hostBytes) const;
  /// Keeps the features of picture `id` if they still fit; what is kept stays until reset().
  void keep(int64_t id, KeptFeatures features, int64_t hostBytes);
  /// Whether the file has room for features that are not in it.
  bool fileTakes(int64_t id, int64_t bytes) const;
  void write(int64_t id, const HostFeatures& features);

 private:
  using Kept = std::unordered_map<int64_t, KeptFeatures>;
  using Fetched = std::unordered_multimap<int64_t, std::shared_ptr<const HostFeatures>>;
  std::shared_ptr<FeatureFile> file() const;

  FeatureRoom room_;          // of who calls reset() and clear(): one thread
  mutable std::mutex mutex_;  // of what follows
  int64_t free_ = 0;          // bytes of room_.hostBytes
  Kept kept_;
  std::shared_ptr<FeatureFile> file_;  // null: none
  Fetched fetched_;                    // what read() brought; a picture may be in two batches that wait
};

}  // namespace dinomaly
