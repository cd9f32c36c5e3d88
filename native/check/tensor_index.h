// Tensors in, as the driver lists them, and tensors out.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "model/parameters.h"
#include "session/tensor_reader.h"

namespace dinomaly::check {

/// A text file with a line for each tensor: name, F32 or F16, byte offset, byte length, sides with commas between,
/// and the rest of the line is the path of the file that holds it. Throws ERR_FILE_NOT_FOUND, ERR_FILE_FORMAT.
std::vector<TensorSource> readIndex(const std::string& path);

/// What a command found, for a safetensors file.
class Results {
 public:
  void add(std::string name, std::vector<int64_t> shape, std::vector<float> values);
  void add(const ParameterInfo& like, std::vector<float> values) { add(like.name, like.shape, std::move(values)); }
  void write(const std::string& path) const;

 private:
  std::vector<ParameterInfo> tensors_;
  std::vector<std::vector<float>> values_;
};

}  // namespace dinomaly::check
