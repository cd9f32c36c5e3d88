#include "model/parameters.h"

#include <array>
#include <cmath>
#include <utility>

#include "core/error.h"
#include "core/philox.h"

namespace dinomaly {
namespace {

/// Standard normal values (Box and Muller), those beyond +-limit drawn again; each depends on its place alone.
void fillNormal(std::vector<float>& values, uint64_t seed, uint32_t parameter, float scale, float limit) {
  constexpr float kTwoPi = 6.283185307f;
  const auto fourAt = [&](uint32_t block, uint32_t attempt) {
    const Philox4 w =
        philox({block, parameter, attempt, 0}, static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32));
    std::array<float, 4> z;
    for (size_t pair = 0; pair < 4; pair += 2) {
      const float radius = std::sqrt(-2.0f * std::log(1.0f - uniform(w[pair]))), angle = kTwoPi * uniform(w[pair + 1]);
      z[pair] = radius * std::cos(angle);
      z[pair + 1] = radius * std::sin(angle);
    }
    return z;
  };
  for (size_t i = 0; i < values.size(); i += 4) {
    const std::array<float, 4> z = fourAt(static_cast<uint32_t>(i / 4), 0);
    for (size_t lane = 0; lane < 4 && i + lane < values.size(); ++lane) {
      float value = z[lane];
      for (uint32_t attempt = 1; std::abs(value) > limit; ++attempt) {
        value = fourAt(static_cast<uint32_t>(i / 4), attempt)[lane];
      }
      values[i + lane] = scale * value;
    }
  }
}

}  // namespace

int64_t ParameterInfo::size() const {
  int64_t size = 1;
  for (int64_t n : shape) size *= n;
  return size;
}

Parameters::Parameters(const ModelConfig& config, Backend& backend) : backend_(backend) {
  const EncoderConfig& e = config.encoder;
  add("encoder.cls_token", {1, 1, e.dim}, false, Start::tokens);
  add("encoder.pos_embed", {1, 1 + e.grid * e.grid, e.dim}, false, Start::tokens);
  if (e.registers) add("encoder.register_tokens", {1, e.registers, e.dim}, false, Start::tokens);
  add("encoder.patch_embed.proj.weight", {e.dim, 3, e.patch, e.patch}, false, Start::linear);
  add("encoder.patch_embed.proj.bias", {e.dim}, false, Start::zeros);
  for (int64_t i = 0; i < e.depth; ++i) addBlock("encoder.blocks." + std::to_string(i), e.dim, e.layerScale, false);
  addLinear("bottleneck.0.fc1", e.dim, 4 * e.dim, true);
  addLinear("bottleneck.0.fc2", 4 * e.dim, e.dim, true);
  for (int64_t i = 0; i < config.decoderDepth; ++i) addBlock("decoder." + std::to_string(i), e.dim, false, true);
  std::vector<Parameter*> together;
  for (Parameter& p : list_) {
    if (p.start == Start::linear && !p.info.trainable) {
      p.value = backend_.allocateFrozenWeight(p.info.size());
    } else {
      together.push_back(&p);
    }
  }
  const std::vector<Buffer> values = allocateFor(together);
  for (size_t i = 0; i < together.size(); ++i) together[i]->value = values[i];
}

std::vector<Buffer> Parameters::allocateFor(const std::vector<Parameter*>& which) {
  constexpr int64_t kAligned = 64;  // floats
  const auto sizeOf = [](const Parameter* p) { return (p->info.size() + kAligned - 1) / kAligned * kAligned; };
  int64_t all = 0;
  for (const Parameter* p : which) all += sizeOf(p);
  const Buffer memory = backend_.allocate(all);
  std::vector<Buffer> buffers;
  float* next = memory.get();
  for (const Parameter* p : which) {
    buffers.emplace_back(memory, next);
    next += sizeOf(p);
  }
  return buffers;
}

void Parameters::add(std::string name, std::vector<int64_t> shape, bool trainable, Start start) {
  Parameter parameter{{std::move(name), std::move(shape), trainable}, start, {}, {}, {}, {}, {}};
  index_[parameter.info.name] = list_.size();
  list_.push_back(std::move(parameter));
}

void Parameters::addLinear(const std::string& name, int64_t in, int64_t out, bool trainable) {
  add(name + ".weight", {out, in}, trainable, Start::linear);
  add(name + ".bias", {out}, trainable, Start::zeros);
}

void Parameters::addNorm(const std::string& name, int64_t dim, bool trainable) {
  add(name + ".weight", {dim}, trainable, Start::ones);
  add(name + ".bias", {dim}, trainable, Start::zeros);
}

void Parameters::addBlock(const std::string& name, int64_t dim, bool layerScale, bool trainable) {
  addNorm(name + ".norm1", dim, trainable);
  addLinear(name + ".attn.qkv", dim, 3 * dim, trainable);
  addLinear(name + ".attn.proj", dim, dim, trainable);
  if (layerScale) add(name + ".ls1.gamma", {dim}, trainable, Start::ones);
  addNorm(name + ".norm2", dim, trainable);
  addLinear(name + ".mlp.fc1", dim, 4 * dim, trainable);
  addLinear(name + ".mlp.fc2", 4 * dim, dim, trainable);
  if (layerScale) add(name + ".ls2.gamma", {dim}, trainable, Start::ones);
}

Parameter& Parameters::at(const std::string& name) {
  return const_cast<Parameter&>(std::as_const(*this).at(name));
}

const Parameter& Parameters::at(const std::string& name) const {
  const auto found = index_.find(name);
  if (found == index_.end()) throw Error("ERR_INTERNAL", "the network has no parameter " + name);
  return list_[found->second];
}

void Parameters::upload(const Parameter& p, const Buffer& to, const float* from) {
  const int64_t size = p.info.size(), out = p.info.shape[0];
  if (p.start == Start::linear) {
    backend_.uploadWeight(to.get(), from, size / out, out);
  } else {
    backend_.upload(to.get(), from, size);
  }
}

void Parameters::download(const Parameter& p, float* to, const Buffer& from) const {
  const int64_t size = p.info.size(), out = p.info.shape[0];
  if (p.start == Start::linear) {
    backend_.downloadWeight(to, from.get(), size / out, out);
  } else {
    backend_.download(to, from.get(), size);
  }
}

void Parameters::initialise(bool encoderToo, uint64_t seed) {
  for (size_t i = 0; i < list_.size(); ++i) {
    const Parameter& p = list_[i];
    if (!p.info.trainable && !encoderToo) continue;
    std::vector<float> values(static_cast<size_t>(p.info.size()), p.start == Start::ones ? 1.0f : 0.0f);
    if (p.start == Start::linear || p.start == Start::tokens) {
      const float std = p.start == Start::linear ? 0.01f : 0.02f;
      fillNormal(values, seed, static_cast<uint32_t>(i), std, 3.0f);
    }
    upload(p, p.value, values.data());
  }
}

}  // namespace dinomaly
