// The network's weights under their released names, in the released order.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "backend/backend.h"
#include "model/config.h"

namespace dinomaly {

struct ParameterInfo {
  std::string name;  // encoder.blocks.0.attn.qkv.weight, bottleneck.0.fc1.weight, decoder.0...
  std::vector<int64_t> shape;
  bool trainable;

  int64_t size() const;
};

/// How a parameter starts when it is not read from a file; those that start as `linear` are linear layers' weights.
enum class Start { zeros, ones, linear, tokens };

struct Parameter {
  ParameterInfo info;
  Start start;
  Buffer value;
  // In training only: the gradient and the optimiser's moments. Null where the loss never comes.
  Buffer gradient, moment, secondMoment, maxSecondMoment;
};

class Parameters {
 public:
  Parameters(const ModelConfig& config, Backend& backend);
  Parameters(const Parameters&) = delete;
  Parameters& operator=(const Parameters&) = delete;

  /// By name; unknown: ERR_INTERNAL.
  Parameter& at(const std::string& name);
  const Parameter& at(const std::string& name) const;
  std::vector<Parameter>& all() { return list_; }
  const std::vector<Parameter>& all() const { return list_; }

  /// A buffer for each of `which`, in one piece of memory: a device gives none of less than some mebibytes.
  std::vector<Buffer> allocateFor(const std::vector<Parameter*>& which);

  /// Between rows on the host and one of the parameter's buffers, its value, gradient or moments.
  void upload(const Parameter& p, const Buffer& to, const float* from);
  void download(const Parameter& p, float* to, const Buffer& from) const;

  /// Random values from seed: linears truncated normal, std 0.01, cut at +-0.03, biases 0, norms 1 and 0 (released
  /// code); an encoder's tokens and positions truncated normal, std 0.02, cut at +-0.06, LayerScale 1.
  void initialise(bool encoderToo, uint64_t seed);

 private:
  void add(std::string name, std::vector<int64_t> shape, bool trainable, Start start);
  void addLinear(const std::string& name, int64_t in, int64_t out, bool trainable);
  void addNorm(const std::string& name, int64_t dim, bool trainable);
  void addBlock(const std::string& name, int64_t dim, bool layerScale, bool trainable);

  Backend& backend_;
  std::vector<Parameter> list_;
  std::unordered_map<std::string, size_t> index_;
};

}  // namespace dinomaly
