// Features that memory has no room for, in a file without a name: nothing of it outlives the process.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>

#include "model/dinomaly.h"
#include "session/file_descriptor.h"

namespace dinomaly {

/// Safe to use from several threads. Whatever goes wrong with the file, only time is lost: what cannot be written is
/// not kept, and what does not come back as it was written is not there any more. Hence it is read and written, not
/// mapped: a mapped file tells of a full or broken disk by a signal, and the system's page cache makes reading as fast.
class FeatureFile {
 public:
  /// Takes at most half of what is free in `folder`.
  explicit FeatureFile(const std::string& folder);

  /// Whether there is room for features of picture `id` that are not kept yet.
  bool takes(int64_t id, int64_t bytes) const;
  void write(int64_t id, const HostFeatures& features);
  /// Null: not kept, or lost.
  std::shared_ptr<const HostFeatures> read(int64_t id);

 private:
  struct Entry {
    int64_t offset, images, rows, cols;
    size_t groupBytes, meanBytes;
    uint64_t checksum;
  };

  FileDescriptor file_;
  mutable std::mutex mutex_;  // of what follows
  std::unordered_map<int64_t, Entry> entries_;
  int64_t end_ = 0, limit_ = 0;  // bytes
};

}  // namespace dinomaly
