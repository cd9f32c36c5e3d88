// JavaScript values in: checked conversions. Every one throws ERR_INVALID_ARGUMENT with the argument's name, what was
// expected and what was found.
#pragma once

#include <napi.h>

#include <cstdint>
#include <limits>
#include <map>
#include <string>
#include <vector>

#include "session/tensor.h"

namespace dinomaly {

/// The largest integer that a JavaScript number holds exactly, 2^53 - 1.
constexpr int64_t kLargestInteger = (int64_t{1} << 53) - 1;

int64_t toInteger(Napi::Value value, const std::string& name, int64_t least, int64_t most);
/// Finite, within [least, most].
double toNumber(Napi::Value value, const std::string& name, double least = std::numeric_limits<double>::lowest(),
                double most = std::numeric_limits<double>::max());
bool toBoolean(Napi::Value value, const std::string& name);
std::string toString(Napi::Value value, const std::string& name);
/// A string that names a file: not empty, no NUL in it.
std::string toPath(Napi::Value value, const std::string& name);
Napi::Object toObject(Napi::Value value, const std::string& name);
/// At most `most` elements.
Napi::Array toArray(Napi::Value value, const std::string& name, uint32_t most);
std::vector<int64_t> toIntegers(Napi::Value value, const std::string& name, int64_t least, uint32_t mostElements);
std::map<std::string, std::string> toStringMap(Napi::Value value, const std::string& name);

Napi::Uint8Array toUint8Array(Napi::Value value, const std::string& name);
Napi::Float32Array toFloat32Array(Napi::Value value, const std::string& name);
/// A Uint8Array of exactly `size` bytes.
Napi::Uint8Array toUint8Array(Napi::Value value, const std::string& name, int64_t size);
Napi::Float32Array toFloat32Array(Napi::Value value, const std::string& name, int64_t size);
std::vector<uint8_t> copyOf(const Napi::Uint8Array& array);

/// A copy of normalised pictures (B,3,H,W), B, H and W at least 1.
Tensor toImageTensor(Napi::Value data, Napi::Value shape);

}  // namespace dinomaly
