#include "bench/work.h"

#include <nlohmann/json.hpp>

namespace dinomaly::bench {

Work workOf(const nlohmann::json& json) {
  const nlohmann::json& network = json.at("network");
  const CpuPrecision precision = json.at("precision") == "int8" ? CpuPrecision::int8 : CpuPrecision::f32;
  Work work{{}, json.at("size"), json.at("batch"), json.at("threads"), precision};
  EncoderConfig& encoder = work.network.encoder;
  encoder.dim = network.at("dim");
  encoder.heads = network.at("heads");
  encoder.patch = network.at("patch");
  encoder.grid = network.at("grid");
  encoder.registers = network.at("registers");
  encoder.targets = network.at("targets").get<std::vector<int64_t>>();
  encoder.depth = encoder.targets.back() + 1;
  work.network.decoderDepth = static_cast<int64_t>(encoder.targets.size());
  work.network.groups = network.at("groups").get<std::vector<std::vector<int64_t>>>();
  work.network.validate();
  return work;
}

}  // namespace dinomaly::bench
