// The network's shape. What the fields mean is in the docstrings of lib/types.ts.
#pragma once

#include <cstdint>
#include <vector>

namespace dinomaly {

struct EncoderConfig {
  int64_t dim = 384, heads = 6, depth = 12, patch = 14;
  int64_t grid = 37;  // side of the stored position embedding
  int64_t registers = 0;
  bool layerScale = true;
  std::vector<int64_t> targets = {2, 3, 4, 5, 6, 7, 8, 9};
};

struct ModelConfig {
  EncoderConfig encoder;
  int64_t decoderDepth = 8;
  std::vector<std::vector<int64_t>> groups = {{0, 1, 2, 3}, {4, 5, 6, 7}};  // indices into targets
  float dropout = 0.2f;

  /// Throws ERR_INVALID_ARGUMENT, naming the field.
  void validate() const;
};

}  // namespace dinomaly
