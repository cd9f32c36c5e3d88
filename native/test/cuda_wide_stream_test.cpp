// The encoder in bf16, whose residual stream is wide up to the first target or less, on the emulated device.
#include <algorithm>
#include <vector>

#include "backend/cuda/cuda_backend.h"
#include "cuda_support.h"
#include "model/dinomaly.h"

using namespace dinomaly;

namespace {

constexpr int64_t kDim = 64, kSide = 28, kImages = 2;
constexpr int64_t kTokens = 1 + kSide / 14 * (kSide / 14);

/// All parameters from seeds of their own; features of a network whose first target is `target`.
std::vector<float> featuresOf(cuda::Precision precision, int64_t target) {
  ModelConfig config;
  config.encoder.dim = kDim;
  config.encoder.heads = 1;
  config.encoder.depth = target + 1;
  config.encoder.grid = 2;
  config.encoder.registers = 0;
  config.encoder.targets = {target};
  config.decoderDepth = 1;
  config.groups = {{0}};
  Dinomaly model(config, makeCudaBackend(precision));
  uint32_t seed = 1;
  for (const ParameterInfo& p : model.parameters()) {
    std::vector<float> values = noise(p.size(), seed++);
    const bool isMatrix = p.shape.size() > 1;
    for (float& v : values) v = isMatrix ? 0.1f * v : 1 + 0.2f * v;  // 1: of norms and LayerScale
    model.setParameter(p.name, values.data());
  }
  const std::vector<float> pixels = noise(kImages * 3 * kSide * kSide, 99);
  Images images;
  images.tensor = pixels.data();
  images.count = kImages;
  images.height = images.width = kSide;
  const Features features = model.encode(images, {});
  std::vector<float> found(static_cast<size_t>(kImages * kTokens * kDim));
  model.backend().download(found.data(), features.mean.get(), static_cast<int64_t>(found.size()));
  return found;
}

}  // namespace

TEST_CASE("the encoder in bf16 agrees with that in f32, whichever its first target") {
  for (const int64_t target : {0, 1, 2, 3}) {
    CAPTURE(target);
    CHECK(cuda::difference(featuresOf(cuda::Precision::bf16, target), featuresOf(cuda::Precision::f32, target)) <
          1e-2f);
  }
}
