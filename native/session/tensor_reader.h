// Reads tensors out of files whose structure was found out before.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "session/file_descriptor.h"

namespace dinomaly {

enum class StoredType { f32, f16, bf16 };

/// A run of numbers in a file.
struct TensorPart {
  std::string path;
  int64_t offset = 0, byteLength = 0;
  StoredType type = StoredType::f32;
};

/// Where a tensor lies: its parts are joined along the first axis.
struct TensorSource {
  std::string name;
  std::vector<int64_t> shape;
  std::vector<TensorPart> parts;
};

/// Keeps the files open from one tensor to the next. It reads and does not map them: a mapped file that another
/// process cuts short kills this one.
class TensorReader {
 public:
  /// The source's numbers as f32, until the next call. Throws ERR_FILE_NOT_FOUND when a file cannot be opened,
  /// ERR_FILE_FORMAT when the parts do not make up the shape or a file ends too early.
  const std::vector<float>& read(const TensorSource& source);

 private:
  const FileDescriptor& open(const std::string& path);

  std::map<std::string, FileDescriptor> files_;
  std::vector<float> values_;
};

}  // namespace dinomaly
