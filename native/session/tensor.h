// Numbers in the host's memory, and their shape.
#pragma once

#include <cstdint>
#include <vector>

namespace dinomaly {

struct Tensor {
  std::vector<float> data;     // row-major
  std::vector<int64_t> shape;  // its product is data.size()
};

}  // namespace dinomaly
