// The head of a safetensors file.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "model/parameters.h"

namespace dinomaly {

/// The header's length (8 bytes, little endian) and its JSON: `tensors` as F32, one after the other from offset 0,
/// and `metadata` (UTF-8). Padded with spaces so that the data begin at a multiple of 8.
std::string safetensorsHead(const std::vector<ParameterInfo>& tensors,
                            const std::map<std::string, std::string>& metadata);

}  // namespace dinomaly
