#include "model/dinomaly.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "core/error.h"
#include "model/optimizer.h"

namespace dinomaly {
namespace {

ModelConfig validated(ModelConfig config) {
  config.validate();
  return config;
}

/// The part of a buffer from `offset` on, which keeps all of it alive.
Buffer partOf(const Buffer& buffer, int64_t offset) {
  return Buffer(buffer, buffer.get() + offset);
}

/// optimizer.<which>.<parameter>: PyTorch's names of the moments, and where they are kept.
constexpr std::pair<const char*, Buffer Parameter::*> kOptimizerState[] = {
    {"optimizer.exp_avg.", &Parameter::moment},
    {"optimizer.exp_avg_sq.", &Parameter::secondMoment},
    {"optimizer.max_exp_avg_sq.", &Parameter::maxSecondMoment},
};

}  // namespace

Dinomaly::Dinomaly(ModelConfig config, std::unique_ptr<Backend> backend)
    : config_(validated(std::move(config))),
      backend_(std::move(backend)),
      parameters_(config_, *backend_),
      encoder_(config_.encoder, parameters_, *backend_),
      bottleneck_(parameters_, config_.dropout),
      decoder_(config_, parameters_) {}

std::vector<ParameterInfo> Dinomaly::parameters() const {
  std::vector<ParameterInfo> infos;
  for (const Parameter& p : parameters_.all()) infos.push_back(p.info);
  return infos;
}

void Dinomaly::setParameter(const std::string& name, const float* values) {
  Parameter& p = parameters_.at(name);
  parameters_.upload(p, p.value, values);
  encoder_.weightsChanged();
}

void Dinomaly::getParameter(const std::string& name, float* values) const {
  const Parameter& p = parameters_.at(name);
  parameters_.download(p, values, p.value);
}

void Dinomaly::initialise(bool encoderToo, uint64_t seed) {
  parameters_.initialise(encoderToo, seed);
  encoder_.weightsChanged();
}

Buffer Dinomaly::tokens(const Images& images) {
  return encoder_.tokens(images);
}

Features Dinomaly::encode(const Images& images, const CancelToken& cancel) {
  const EncoderConfig& e = config_.encoder;
  Features f;
  f.images = images.count;
  f.rows = images.height / e.patch;
  f.cols = images.width / e.patch;
  const int64_t patches = f.rows * f.cols, tokens = 1 + e.registers + patches;
  for (size_t g = 0; g < config_.groups.size(); ++g) f.groups.push_back(backend_->allocate(f.images * patches * e.dim));
  f.mean = backend_->allocate(f.images * tokens * e.dim);
  backend_->zero(f.mean.get(), f.images * tokens * e.dim);
  const float share = 1.0f / static_cast<float>(e.targets.size());
  for (int64_t first = 0; first < f.images; first += backend_->imagesAtOnce()) {
    const int64_t count = std::min(backend_->imagesAtOnce(), f.images - first);
    std::vector<bool> begun(config_.groups.size());
    encoder_.forward(images.slice(first, count), cancel, [&](size_t target, const Buffer& x) {
      backend_->addScaled(f.mean.get() + first * tokens * e.dim, x.get(), share, count * tokens * e.dim);
      for (size_t g = 0; g < config_.groups.size(); ++g) {
        const std::vector<int64_t>& group = config_.groups[g];
        const auto times = std::count(group.begin(), group.end(), static_cast<int64_t>(target));
        if (!times) continue;
        const float part = static_cast<float>(times) / static_cast<float>(group.size());
        backend_->takePatches(f.groups[g].get() + first * patches * e.dim, x.get(), part, begun[g], count, tokens,
                              patches, e.dim);
        begun[g] = true;
      }
    });
  }
  return f;
}

Features Dinomaly::batch(const std::vector<const Features*>& parts) {
  Features whole = *parts.at(0);
  if (parts.size() == 1) return whole;
  whole.images = 0;
  for (const Features* part : parts) {
    if (part->rows != whole.rows || part->cols != whole.cols) {
      throw Error("ERR_INVALID_ARGUMENT", "expected pictures of one size in a batch, found several");
    }
    whole.images += part->images;
  }
  const auto join = [&](int64_t sizeOfOne, const auto& bufferOf) {
    Buffer joined = backend_->allocate(whole.images * sizeOfOne);
    int64_t at = 0;
    for (const Features* part : parts) {
      backend_->copy(joined.get() + at, bufferOf(*part).get(), part->images * sizeOfOne);
      at += part->images * sizeOfOne;
    }
    return joined;
  };
  const int64_t dim = config_.encoder.dim, patches = whole.rows * whole.cols;
  for (size_t g = 0; g < whole.groups.size(); ++g) {
    whole.groups[g] = join(patches * dim, [g](const Features& f) { return f.groups[g]; });
  }
  whole.mean = join(shapeOf(whole).tokens * dim, [](const Features& f) { return f.mean; });
  return whole;
}

Shape Dinomaly::shapeOf(const Features& f) const {
  return {f.images, 1 + config_.encoder.registers + f.rows * f.cols};
}

Decoded Dinomaly::decode(const Features& f, const CancelToken& cancel) {
  const int64_t dim = config_.encoder.dim, patches = f.rows * f.cols;
  Decoded decoded;
  for (size_t g = 0; g < f.groups.size(); ++g) decoded.groups.push_back(backend_->allocate(f.images * patches * dim));
  for (int64_t first = 0; first < f.images; first += backend_->imagesAtOnce()) {
    Shape shape = shapeOf(f);
    shape.images = std::min(backend_->imagesAtOnce(), f.images - first);
    const Buffer x = bottleneck_.forward(*backend_, partOf(f.mean, first * shape.tokens * dim), shape.rows());
    cancel.check();
    const std::vector<Buffer> groups = decoder_.forward(*backend_, x, shape, patches, nullptr, cancel);
    for (size_t g = 0; g < groups.size(); ++g) {
      backend_->copy(decoded.groups[g].get() + first * patches * dim, groups[g].get(), shape.images * patches * dim);
    }
  }
  return decoded;
}

Maps Dinomaly::maps(const Features& f, const Decoded& decoded, int64_t height, int64_t width) {
  const int64_t points = f.images * f.rows * f.cols, pixels = kMapSide * kMapSide;
  std::vector<Buffer> distances;
  std::vector<const float*> views;
  for (size_t g = 0; g < f.groups.size(); ++g) {
    distances.push_back(backend_->allocate(points));
    views.push_back(distances.back().get());
    backend_->cosineDistance(distances.back().get(), f.groups[g].get(), decoded.groups[g].get(), points,
                             config_.encoder.dim);
  }
  const Buffer maps = backend_->allocate(f.images * pixels);
  backend_->anomalyMaps(maps.get(), views, f.images, f.rows, f.cols, height, width);
  Maps result;
  result.maps.resize(static_cast<size_t>(f.images * pixels));
  result.scores.resize(static_cast<size_t>(f.images));
  backend_->imageScores(result.scores.data(), maps.get(), f.images);
  backend_->download(result.maps.data(), maps.get(), f.images * pixels);
  return result;
}

void Dinomaly::beginTraining() {
  const std::string idle = "decoder." + std::to_string(decoder_.reached()) + ".";  // and all after it
  try {
    for (Parameter& p : parameters_.all()) {
      if (!p.info.trainable) continue;
      if (p.info.name.compare(0, idle.size(), idle) == 0) break;
      p.gradient = backend_->allocate(p.info.size());
      for (const auto& [name, state] : kOptimizerState) {
        p.*state = backend_->allocate(p.info.size());
        backend_->zero((p.*state).get(), p.info.size());
      }
    }
  } catch (...) {  // memory ran out: what was made of it is of no use
    endTraining();
    throw;
  }
  training_ = true;
}

void Dinomaly::endTraining() {
  for (Parameter& p : parameters_.all()) {
    p.gradient.reset();
    for (const auto& [name, state] : kOptimizerState) (p.*state).reset();
  }
  training_ = false;
}

StepResult Dinomaly::trainStep(const Features& f, int64_t iteration, const TrainingOptions& options,
                               const CancelToken& cancel) {
  if (!training_) throw Error("ERR_INTERNAL", "a training step outside of beginTraining and endTraining");
  const int64_t dim = config_.encoder.dim, patches = f.rows * f.cols;
  const Shape shape = shapeOf(f);
  Bottleneck::Tape noisy;
  Decoder::Tape tape;
  const Buffer x = bottleneck_.train(*backend_, f.mean, shape.rows(), {options.seed, iteration}, noisy);
  cancel.check();
  std::vector<Buffer> groups = decoder_.forward(*backend_, x, shape, patches, &tape, cancel);

  const double discard = options.schedule.discardRateAt(iteration);
  const auto points = static_cast<double>(f.images * patches);
  const int64_t k = std::max(int64_t{1}, static_cast<int64_t>(points * (1 - discard)));
  const float share = 1.0f / static_cast<float>(groups.size());
  double loss = 0;
  for (size_t g = 0; g < groups.size(); ++g) {
    float* d = groups[g].get();  // the gradient takes the group's place
    loss += share * backend_->looseLoss(d, f.groups[g].get(), d, f.images, patches, dim, k, share);
  }
  double norm = 0;
  if (std::isfinite(loss)) {
    const Buffer dx = decoder_.backward(*backend_, groups, shape, patches, tape, cancel);
    bottleneck_.backward(*backend_, dx, shape.rows(), noisy);
    cancel.check();
    norm = gradientNorm(*backend_, parameters_);
  }
  if (!std::isfinite(loss) || !std::isfinite(norm)) {
    throw Error(
        "ERR_LOSS_NOT_FINITE",
        "expected a finite loss and gradient in iteration " + std::to_string(iteration) + ", found a loss of " +
            std::to_string(loss) + " and a gradient norm of " + std::to_string(norm) +
            "; the weights are those of the iteration before: look for NaN in the pictures or weights, or lower "
            "the learning rate");
  }
  const double rate = options.schedule.learningRateAt(iteration);
  optimizerStep(*backend_, parameters_, norm, options.clipNorm, rate, options.weightDecay, iteration + 1);
  return {loss, norm, rate};
}

std::vector<ParameterInfo> Dinomaly::optimizerState() const {
  std::vector<ParameterInfo> infos;
  for (const auto& [prefix, state] : kOptimizerState) {
    for (const Parameter& p : parameters_.all()) {
      if (p.*state) infos.push_back({prefix + p.info.name, p.info.shape, true});
    }
  }
  return infos;
}

std::pair<const Parameter&, const Buffer&> Dinomaly::stateOf(const std::string& name) const {
  for (const auto& [prefix, state] : kOptimizerState) {
    const std::string start = prefix;
    if (name.compare(0, start.size(), start) != 0) continue;
    const Parameter& p = parameters_.at(name.substr(start.size()));
    if (p.*state) return {p, p.*state};
  }
  throw Error("ERR_INTERNAL", "the optimiser has no state " + name);
}

void Dinomaly::setOptimizerState(const std::string& name, const float* values) {
  const auto [parameter, state] = stateOf(name);
  parameters_.upload(parameter, state, values);
}

void Dinomaly::getOptimizerState(const std::string& name, float* values) const {
  const auto [parameter, state] = stateOf(name);
  parameters_.download(parameter, values, state);
}

std::vector<float> Dinomaly::gradient(const std::string& name) const {
  const Parameter& p = parameters_.at(name);
  std::vector<float> values(static_cast<size_t>(p.info.size()));
  parameters_.download(p, values.data(), p.gradient);
  return values;
}

int64_t Dinomaly::bytesOf(const Features& f) const {
  const int64_t points = static_cast<int64_t>(f.groups.size()) * f.rows * f.cols + shapeOf(f).tokens;
  return f.images * points * config_.encoder.dim * static_cast<int64_t>(sizeof(float));
}

}  // namespace dinomaly
