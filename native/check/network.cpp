#include "check/network.h"

#include "check/device.h"

namespace dinomaly::check {
namespace {

ModelConfig configOf(const Flags& flags) {
  ModelConfig config;
  EncoderConfig& encoder = config.encoder;
  encoder.dim = flags.number("--dim");
  encoder.heads = flags.number("--heads");
  encoder.depth = flags.number("--depth");
  encoder.grid = flags.number("--grid");
  encoder.registers = flags.number("--registers");
  encoder.targets = flags.numbers("--targets");
  config.decoderDepth = static_cast<int64_t>(encoder.targets.size());
  config.groups = flags.groups("--groups");
  config.dropout = static_cast<float>(flags.real("--dropout"));
  return config;
}

}  // namespace

Network::Network(const Flags& flags) : model_(configOf(flags), makeDevice(flags.text("--precision"))) {
  options_.seed = static_cast<uint64_t>(flags.number("--seed"));
  model_.initialise(true, options_.seed);
  if (!flags.has("--weights")) return;
  TensorReader reader;
  for (const TensorSource& source : readIndex(flags.text("--weights"))) {
    model_.setParameter(source.name, reader.read(source).data());
  }
}

std::vector<float> Network::download(const Activations& x, int64_t size) {
  std::vector<float> values(static_cast<size_t>(size));
  model_.backend().download(values.data(), x.get(), size);
  return values;
}

void Network::forward(const Images& images, Results& results) {
  const EncoderConfig& encoder = model_.config().encoder;
  const int64_t patches = images.height / encoder.patch * (images.width / encoder.patch);
  const int64_t tokens = 1 + encoder.registers + patches, dim = encoder.dim, count = images.count;
  const auto add = [&](const std::string& name, const Activations& x, int64_t rows) {
    results.add(name, {count, rows, dim}, download(x, count * rows * dim));
  };
  add("tokens", model_.tokens(images), tokens);
  const Features features = model_.encode(images, {});
  const Decoded decoded = model_.decode(features, {});
  add("mean", features.mean, tokens);
  for (size_t i = 0; i < features.groups.size(); ++i) {
    add("encoder." + std::to_string(i), features.groups[i], patches);
    add("decoder." + std::to_string(i), decoded.groups[i], patches);
  }
  Maps maps = model_.maps(features, decoded, images.height, images.width);
  results.add("maps", {count, kMapSide, kMapSide}, std::move(maps.maps));
  results.add("scores", {count}, std::move(maps.scores));
}

void Network::score(const std::vector<const uint8_t*>& pictures, int64_t side, int64_t atOnce,
                    const std::function<void(const MapsView&)>& done) {
  model_.setScoredAtOnce(atOnce);
  model_.score(pictures, side, side, {}, done);
}

void Network::beginTraining(const Schedule& schedule, double clipNorm) {
  options_.schedule = schedule;
  options_.clipNorm = clipNorm;
  model_.beginTraining();
}

std::vector<Features> Network::encode(const Images& images) {
  std::vector<Features> parts;
  if (images.tensor) {
    parts.push_back(model_.encode(images, {}));
    return parts;
  }
  std::vector<const uint8_t*> pictures;
  for (int64_t i = 0; i < images.count; ++i) pictures.push_back(images.slice(i, 1).pixels);
  return model_.encodeEach(pictures, images.height, images.width, images.count, {});
}

void Network::step(const std::vector<Features>& parts, int64_t iteration) {
  std::vector<const Features*> all;
  for (const Features& part : parts) all.push_back(&part);
  model_.trainStep(all, iteration, options_, {});
}

void Network::addParameters(Results& results) const {
  for (const ParameterInfo& p : model_.parameters()) {
    if (!p.trainable) continue;
    std::vector<float> values(static_cast<size_t>(p.size()));
    model_.getParameter(p.name, values.data());
    results.add(p, std::move(values));
  }
}

void Network::addGradients(Results& results) const {
  for (const ParameterInfo& p : model_.parameters()) {
    if (p.trainable) results.add("gradient." + p.name, p.shape, model_.gradient(p.name));
  }
}

}  // namespace dinomaly::check
