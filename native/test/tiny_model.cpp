#include "tiny_model.h"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <utility>

namespace dinomaly {
namespace {

/// The released names in the order in which the golden file's storages are numbered, PyTorch's of the oracle's modules.
std::vector<std::string> storageOrder(const ModelConfig& config) {
  std::vector<std::string> names = {"encoder.cls_token", "encoder.pos_embed", "encoder.register_tokens",
                                    "encoder.patch_embed.proj.weight", "encoder.patch_embed.proj.bias"};
  const auto both = [&](const std::string& name) {
    names.push_back(name + ".weight");
    names.push_back(name + ".bias");
  };
  const auto block = [&](const std::string& name, bool scaled) {
    for (const char* part : {".norm1", ".norm2", ".attn.qkv", ".attn.proj", ".mlp.fc1", ".mlp.fc2"}) both(name + part);
    if (scaled) names.insert(names.end(), {name + ".ls1.gamma", name + ".ls2.gamma"});
  };
  for (int64_t i = 0; i < config.encoder.depth; ++i) block("encoder.blocks." + std::to_string(i), true);
  both("bottleneck.0.fc1");
  both("bottleneck.0.fc2");
  for (int64_t i = 0; i < config.decoderDepth; ++i) block("decoder." + std::to_string(i), false);
  return names;
}

uint32_t number(const std::vector<char>& bytes, size_t at, size_t width) {
  uint32_t value = 0;
  std::memcpy(&value, bytes.data() + at, width);
  return value;
}

/// The stored entries `<folder>/data/<number>` of a PyTorch file that is trusted, as float16.
std::map<std::string, std::vector<float>> storages(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error("test reader: cannot open " + path);
  const std::vector<char> bytes((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  const std::string mark = {'P', 'K', 5, 6};  // the end record, which says where the directory lies
  const auto end = std::find_end(bytes.begin(), bytes.end(), mark.begin(), mark.end());
  const auto endAt = static_cast<size_t>(end - bytes.begin());
  std::map<std::string, std::vector<float>> result;
  size_t at = number(bytes, endAt + 16, 4);
  for (uint32_t entry = 0; entry < number(bytes, endAt + 10, 2); ++entry) {
    const uint32_t size = number(bytes, at + 24, 4), nameSize = number(bytes, at + 28, 2);
    const uint32_t local = number(bytes, at + 42, 4);
    const std::string name(bytes.data() + at + 46, nameSize);
    const size_t data = local + 30 + number(bytes, local + 26, 2) + number(bytes, local + 28, 2);
    const size_t slash = name.find("/data/");
    if (slash != std::string::npos) result[name.substr(slash + 6)] = toFloats("F16", bytes.data() + data, size);
    at += 46 + nameSize + number(bytes, at + 30, 2) + number(bytes, at + 32, 2);
  }
  return result;
}

}  // namespace

std::unique_ptr<Dinomaly> tinyModel(std::vector<std::vector<int64_t>> groups, float dropout, int threads) {
  return tinyModel(std::move(groups), dropout, makeCpuBackend(threads));
}

std::unique_ptr<Dinomaly> tinyModel(std::vector<std::vector<int64_t>> groups, float dropout,
                                    std::unique_ptr<Backend> backend) {
  ModelConfig config;
  config.encoder.dim = 128;
  config.encoder.heads = 2;
  config.encoder.depth = 6;
  config.encoder.grid = 5;
  config.encoder.registers = 4;
  config.encoder.targets = {1, 2, 3, 4};
  config.decoderDepth = 4;
  config.groups = std::move(groups);
  config.dropout = dropout;
  auto model = std::make_unique<Dinomaly>(config, std::move(backend));
  const auto values = storages(std::string(DINOMALY_ROOT) + "/test/golden/tiny/dinomaly.pth");
  const std::vector<std::string> names = storageOrder(config);
  if (values.size() != names.size()) throw std::runtime_error("test reader: another number of storages than expected");
  std::map<std::string, int64_t> sizes;
  for (const ParameterInfo& p : model->parameters()) sizes[p.name] = p.size();
  for (size_t i = 0; i < names.size(); ++i) {
    const std::vector<float>& tensor = values.at(std::to_string(i));
    if (static_cast<int64_t>(tensor.size()) != sizes.at(names[i])) {
      throw std::runtime_error("test reader: another size than expected for " + names[i]);
    }
    model->setParameter(names[i], tensor.data());
  }
  return model;
}

}  // namespace dinomaly
