#include "model/decoder.h"

#include <algorithm>
#include <string>

#include "model/group_mean.h"

namespace dinomaly {
namespace {

constexpr float kEps = 1e-8f;

}  // namespace

Decoder::Decoder(const ModelConfig& config, Parameters& parameters) : dim_(config.encoder.dim) {
  int64_t last = 0;
  for (const auto& group : config.groups) {
    std::vector<int64_t> blocks;
    for (int64_t target : group) {
      blocks.push_back(config.decoderDepth - 1 - target);
      last = std::max(last, blocks.back());
    }
    groups_.push_back(std::move(blocks));
  }
  for (int64_t i = 0; i <= last; ++i) {
    blocks_.emplace_back(parameters, "decoder." + std::to_string(i), Mixer::linearAttention, config.encoder.heads, kEps,
                         false);
  }
}

void Decoder::forward(Backend& backend, const std::vector<Element*>& groups, const Activations& x, Shape shape,
                      int64_t patchCount, Tape* tape, const CancelToken& cancel) const {
  if (tape) tape->blocks.resize(blocks_.size());
  std::vector<Activations> outputs;
  for (size_t i = 0; i < blocks_.size(); ++i) {
    outputs.push_back(
        blocks_[i].forward(backend, i == 0 ? x : outputs.back(), shape, tape ? &tape->blocks[i] : nullptr, cancel));
  }
  for (size_t g = 0; g < groups_.size(); ++g) {
    groupMean(backend, groups[g], outputs, groups_[g], shape, patchCount, dim_);
  }
}

Activations Decoder::backward(Backend& backend, const std::vector<Activations>& dgroups, Shape shape,
                              int64_t patchCount, const Tape& tape, const CancelToken& cancel) const {
  Activations dx = backend.allocateActivations(shape.rows() * dim_);
  backend.zero(dx.get(), shape.rows() * dim_);
  for (size_t i = blocks_.size(); i-- > 0;) {
    for (size_t g = 0; g < groups_.size(); ++g) {
      const float share = 1.0f / static_cast<float>(groups_[g].size());
      for (int64_t block : groups_[g]) {
        if (block != static_cast<int64_t>(i)) continue;
        backend.putPatches(dx.get(), dgroups[g].get(), share, shape.images, shape.tokens, patchCount, dim_);
      }
    }
    blocks_[i].backward(backend, dx, shape, tape.blocks[i], cancel);
  }
  return dx;
}

}  // namespace dinomaly
