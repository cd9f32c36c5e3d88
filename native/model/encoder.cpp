#include "model/encoder.h"

#include <algorithm>
#include <string>

#include "core/error.h"
#include "model/positions.h"

namespace dinomaly {
namespace {

constexpr float kEps = 1e-6f;
/// As many at most keep the residual stream wide. What is rounded there, all later blocks get, so that in bf16 it
/// changes scores more than it does later. Targets are not wide, so the first one ends it.
constexpr int64_t kMostWideBlocks = 2;

}  // namespace

Encoder::Encoder(const EncoderConfig& config, Parameters& parameters, Backend& backend)
    : config_(config),
      parameters_(parameters),
      backend_(backend),
      wideBlocks_(static_cast<size_t>(std::min(kMostWideBlocks, config.targets.front()))) {
  for (int64_t i = 0; i <= config.targets.back(); ++i) {  // later blocks are never run
    blocks_.emplace_back(parameters, "encoder.blocks." + std::to_string(i), Mixer::softmaxAttention, config.heads, kEps,
                         config.layerScale);
  }
  // A few channels of what the first fc1 gets are far larger than the rest, of which bytes would tell little. The patch
  // embedding is not rounded either: it is little work, and all else follows from it. bench/int8.mjs measures both.
  blocks_.front().keepFc1Exact();
  for (size_t i = 0; i < wideBlocks_; ++i) blocks_[i].widen();
}

const Buffer& Encoder::positions(int64_t rows, int64_t cols) {
  Buffer& kept = positions_[{rows, cols}];
  if (!kept) {
    const Parameter& stored = parameters_.at("encoder.pos_embed");
    std::vector<float> host(static_cast<size_t>(stored.info.size()));
    backend_.download(host.data(), stored.value.get(), stored.info.size());
    const std::vector<float> stretched = stretchPositions(host.data(), config_.grid, rows, cols, config_.dim);
    kept = backend_.allocate(static_cast<int64_t>(stretched.size()));
    backend_.upload(kept.get(), stretched.data(), static_cast<int64_t>(stretched.size()));
  }
  return kept;
}

Shape Encoder::shapeOf(const Images& images) const {
  const int64_t patchCount = (images.height / config_.patch) * (images.width / config_.patch);
  return {images.count, 1 + config_.registers + patchCount};
}

Activations Encoder::tokens(const Images& images) {
  return backend_.narrowed(wideTokens(images), shapeOf(images).rows() * config_.dim);
}

Activations Encoder::wideTokens(const Images& images) {
  const int64_t p = config_.patch, d = config_.dim, inputs = 3 * p * p;
  if (images.height % p || images.width % p || images.height < p || images.width < p) {
    throw Error("ERR_INVALID_ARGUMENT", "expected pictures whose height and width are multiples of the patch, " +
                                            std::to_string(p) + ", found " + std::to_string(images.height) + "x" +
                                            std::to_string(images.width));
  }
  const int64_t rows = images.height / p, cols = images.width / p, patchCount = rows * cols;
  const Activations patches = backend_.allocateActivations(images.count * patchCount * inputs);
  if (images.pixels) {
    backend_.patchesFromPixels(patches.get(), images.pixels, images.count, images.height, images.width, p);
  } else {
    backend_.patchesFromTensor(patches.get(), images.tensor, images.count, images.height, images.width, p);
  }
  // As long as the tokens, so that memory for either serves the other.
  const Activations embedded = backend_.allocateActivations(shapeOf(images).rows() * d, true);
  backend_.linear(
      embedded.get(), patches.get(), parameters_.at("encoder.patch_embed.proj.weight").value.get(),
      images.count * patchCount, inputs, d,
      {parameters_.at("encoder.patch_embed.proj.bias").value.get(), Activation::none, nullptr, nullptr, false, true});
  Activations tokens = backend_.allocateActivations(shapeOf(images).rows() * d, true);
  const float* registers = config_.registers ? parameters_.at("encoder.register_tokens").value.get() : nullptr;
  backend_.embed(tokens.get(), embedded.get(), parameters_.at("encoder.cls_token").value.get(), registers,
                 positions(rows, cols).get(), images.count, patchCount, config_.registers, d);
  return tokens;
}

std::vector<Activations> Encoder::forward(const Images& images, const CancelToken& cancel) {
  Activations x = wideTokens(images);
  const Shape shape = shapeOf(images);
  std::vector<Activations> targets;
  for (size_t i = 0; i < blocks_.size(); ++i) {
    if (i == wideBlocks_) x = backend_.narrowed(x, shape.rows() * config_.dim);
    x = blocks_[i].forward(backend_, x, shape, nullptr, cancel);
    if (static_cast<int64_t>(i) == config_.targets[targets.size()]) targets.push_back(x);
  }
  return targets;
}

}  // namespace dinomaly
