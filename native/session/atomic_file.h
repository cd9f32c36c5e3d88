// A file that appears whole or not at all.
#pragma once

#include <cstddef>
#include <string>

#include "session/file_descriptor.h"

namespace dinomaly {

/// Writes to a temporary file in the target's folder, `.<name>.<pid>-<tid>.tmp`, and renames it when all is on disk.
/// Whatever happens before, at `path` lies what lay there. One at a time per thread and path.
/// Every function throws ERR_IO with the path and the system's reason.
class AtomicFile {
 public:
  /// Also removes temporary files of `path` whose writer died.
  explicit AtomicFile(std::string path);
  /// Removes the temporary file unless it was committed.
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  void write(const void* data, size_t size);
  void commit();

 private:
  [[noreturn]] void fail(const std::string& doing) const;

  std::string path_, folder_, temporary_;
  FileDescriptor file_;
  bool committed_ = false;
};

}  // namespace dinomaly
