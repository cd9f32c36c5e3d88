#include "check/tensor_index.h"

#include <fstream>
#include <sstream>

#include "core/error.h"
#include "session/atomic_file.h"
#include "session/safetensors.h"

namespace dinomaly::check {
namespace {

std::vector<int64_t> parseShape(const std::string& text) {
  std::vector<int64_t> shape;
  std::istringstream stream(text);
  for (std::string side; std::getline(stream, side, ',');) shape.push_back(std::stoll(side));
  return shape;
}

TensorSource parseLine(const std::string& line) {
  TensorSource source;
  TensorPart part;
  std::string type, shape;
  std::istringstream stream(line);
  stream >> source.name >> type >> part.offset >> part.byteLength >> shape >> std::ws;
  std::getline(stream, part.path);
  if (part.path.empty() || (type != "F32" && type != "F16")) {
    throw Error("ERR_FILE_FORMAT", "expected name, F32 or F16, offset, length, shape and path, found '" + line + "'");
  }
  part.type = type == "F32" ? StoredType::f32 : StoredType::f16;
  source.shape = parseShape(shape);
  source.parts.push_back(part);
  return source;
}

}  // namespace

std::vector<TensorSource> readIndex(const std::string& path) {
  std::ifstream file(path);
  if (!file) throw Error("ERR_FILE_NOT_FOUND", "'" + path + "' cannot be opened.");
  std::vector<TensorSource> sources;
  for (std::string line; std::getline(file, line);) sources.push_back(parseLine(line));
  return sources;
}

void Results::add(std::string name, std::vector<int64_t> shape, std::vector<float> values) {
  tensors_.push_back({std::move(name), std::move(shape), false});
  if (tensors_.back().size() != static_cast<int64_t>(values.size())) {
    throw Error("ERR_INTERNAL", tensors_.back().name + ": expected " + std::to_string(tensors_.back().size()) +
                                    " values from its shape, found " + std::to_string(values.size()));
  }
  values_.push_back(std::move(values));
}

void Results::write(const std::string& path) const {
  AtomicFile file(path);
  const std::string head = safetensorsHead(tensors_, {});
  file.write(head.data(), head.size());
  for (const std::vector<float>& values : values_) file.write(values.data(), values.size() * sizeof(float));
  file.commit();
}

}  // namespace dinomaly::check
