// Reads the golden .safetensors files of the tests. It trusts them; the reader for files of users is lib/weights.
#pragma once

#include <cstdint>
#include <cstring>
#include <fstream>
#include <iterator>
#include <map>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <vector>

#include "session/half.h"

namespace dinomaly {

struct TestTensor {
  std::vector<int64_t> shape;
  std::vector<float> values;  // F32, F16, BF16, U8 and I64, all as float
};

template <typename T, typename Convert>
std::vector<float> convertAll(const char* bytes, size_t size, Convert convert) {
  std::vector<float> values(size / sizeof(T));
  for (size_t i = 0; i < values.size(); ++i) {
    T value;
    std::memcpy(&value, bytes + i * sizeof(T), sizeof(T));
    values[i] = convert(value);
  }
  return values;
}

inline std::vector<float> toFloats(const std::string& dtype, const char* bytes, size_t size) {
  if (dtype == "F32") return convertAll<float>(bytes, size, [](float value) { return value; });
  if (dtype == "F16") return convertAll<uint16_t>(bytes, size, float16ToFloat);
  if (dtype == "BF16") return convertAll<uint16_t>(bytes, size, bfloat16ToFloat);
  if (dtype == "U8") return convertAll<uint8_t>(bytes, size, [](uint8_t value) { return static_cast<float>(value); });
  if (dtype == "I64") return convertAll<int64_t>(bytes, size, [](int64_t value) { return static_cast<float>(value); });
  throw std::runtime_error("test reader: unknown dtype " + dtype);
}

inline std::map<std::string, TestTensor> readSafetensors(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error("test reader: cannot open " + path);
  const std::vector<char> bytes((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  uint64_t headerSize = 0;
  std::memcpy(&headerSize, bytes.data(), sizeof headerSize);
  const char* header = bytes.data() + sizeof headerSize;
  const char* data = header + headerSize;
  std::map<std::string, TestTensor> tensors;
  const nlohmann::json entries = nlohmann::json::parse(header, data);
  for (const auto& [name, entry] : entries.items()) {
    if (name == "__metadata__") continue;
    const size_t begin = entry.at("data_offsets").at(0), end = entry.at("data_offsets").at(1);
    tensors[name] = {entry.at("shape").get<std::vector<int64_t>>(),
                     toFloats(entry.at("dtype").get<std::string>(), data + begin, end - begin)};
  }
  return tensors;
}

}  // namespace dinomaly
