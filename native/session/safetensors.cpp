#include "session/safetensors.h"

#include <cstdio>

namespace dinomaly {
namespace {

void appendString(std::string& json, const std::string& text) {
  json += '"';
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      json += '\\';
      json += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      char escape[7];
      std::snprintf(escape, sizeof(escape), "\\u%04x", static_cast<unsigned>(c));
      json += escape;
    } else {
      json += c;
    }
  }
  json += '"';
}

}  // namespace

std::string safetensorsHead(const std::vector<ParameterInfo>& tensors,
                            const std::map<std::string, std::string>& metadata) {
  std::string json = "{\"__metadata__\":{";
  const char* separator = "";
  for (const auto& [key, value] : metadata) {
    json += separator;
    appendString(json, key);
    json += ':';
    appendString(json, value);
    separator = ",";
  }
  json += '}';

  int64_t offset = 0;
  for (const ParameterInfo& tensor : tensors) {
    json += ',';
    appendString(json, tensor.name);
    json += ":{\"dtype\":\"F32\",\"shape\":[";
    separator = "";
    for (const int64_t side : tensor.shape) {
      json += separator + std::to_string(side);
      separator = ",";
    }
    const int64_t end = offset + tensor.size() * static_cast<int64_t>(sizeof(float));
    json += "],\"data_offsets\":[" + std::to_string(offset) + "," + std::to_string(end) + "]}";
    offset = end;
  }
  json += '}';
  json.append((8 - json.size() % 8) % 8, ' ');

  std::string head;
  for (int byte = 0; byte < 8; ++byte) head += static_cast<char>(static_cast<uint64_t>(json.size()) >> (8 * byte));
  return head + json;
}

}  // namespace dinomaly
