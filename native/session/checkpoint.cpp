#include "session/checkpoint.h"

#include <unordered_map>

#include "core/error.h"
#include "session/atomic_file.h"
#include "session/safetensors.h"

namespace dinomaly {
namespace {

std::string shapeText(const std::vector<int64_t>& shape) {
  std::string text = "[";
  for (const int64_t side : shape) text += (text.size() > 1 ? ", " : "") + std::to_string(side);
  return text + "]";
}

}  // namespace

void saveCheckpoint(const Dinomaly& network, const std::string& path,
                    const std::map<std::string, std::string>& metadata, bool optimizer, const CancelToken& cancel) {
  std::vector<ParameterInfo> tensors = network.parameters();
  const size_t parameterCount = tensors.size();
  if (optimizer) {
    const std::vector<ParameterInfo> state = network.optimizerState();
    tensors.insert(tensors.end(), state.begin(), state.end());
  }

  AtomicFile file(path);
  const std::string head = safetensorsHead(tensors, metadata);
  file.write(head.data(), head.size());
  std::vector<float> values;
  for (size_t i = 0; i < tensors.size(); ++i) {
    cancel.check();
    values.resize(static_cast<size_t>(tensors[i].size()));
    if (i < parameterCount) {
      network.getParameter(tensors[i].name, values.data());
    } else {
      network.getOptimizerState(tensors[i].name, values.data());
    }
    file.write(values.data(), values.size() * sizeof(float));
  }
  file.commit();
}

void loadTensors(Dinomaly& network, const std::vector<TensorSource>& sources, const CancelToken& cancel) {
  using Setter = void (Dinomaly::*)(const std::string&, const float*);
  struct Place {
    std::vector<int64_t> shape;
    Setter set;
  };
  std::unordered_map<std::string, Place> places;
  for (const ParameterInfo& p : network.parameters()) places[p.name] = {p.shape, &Dinomaly::setParameter};
  if (network.training()) {
    for (const ParameterInfo& p : network.optimizerState()) places[p.name] = {p.shape, &Dinomaly::setOptimizerState};
  }

  TensorReader reader;
  for (const TensorSource& source : sources) {
    cancel.check();
    const auto place = places.find(source.name);
    if (place == places.end()) {
      throw Error("ERR_WEIGHTS_MISMATCH", "Expected tensors of the network alone, found '" + source.name + "'.");
    }
    if (place->second.shape != source.shape) {
      throw Error("ERR_WEIGHTS_MISMATCH", "Tensor '" + source.name + "': expected shape " +
                                              shapeText(place->second.shape) + ", found " + shapeText(source.shape) +
                                              ".");
    }
    (network.*place->second.set)(source.name, reader.read(source).data());
  }
}

}  // namespace dinomaly
