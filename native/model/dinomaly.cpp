#include "model/dinomaly.h"

#include <algorithm>
#include <utility>

#include "core/error.h"

namespace dinomaly {
namespace {

constexpr int64_t kMapPixels = kMapSide * kMapSide, kFloat = sizeof(float);

ModelConfig validated(ModelConfig config) {
  config.validate();
  return config;
}

}  // namespace

Dinomaly::Dinomaly(ModelConfig config, std::unique_ptr<Backend> backend)
    : config_(validated(std::move(config))),
      backend_(std::move(backend)),
      parameters_(config_, *backend_),
      encoder_(config_.encoder, parameters_, *backend_),
      bottleneck_(parameters_, config_.dropout),
      decoder_(config_, parameters_),
      scoredAtOnce_(backend_->imagesAtOnce()) {}

std::vector<ParameterInfo> Dinomaly::parameters() const {
  std::vector<ParameterInfo> infos;
  for (const Parameter& p : parameters_.all()) infos.push_back(p.info);
  return infos;
}

void Dinomaly::setParameter(const std::string& name, const float* values) {
  Parameter& p = parameters_.at(name);
  parameters_.upload(p, p.value, values);
  parametersChanged();
}

void Dinomaly::getParameter(const std::string& name, float* values) const {
  const Parameter& p = parameters_.at(name);
  parameters_.download(p, values, p.value);
}

void Dinomaly::initialise(bool encoderToo, uint64_t seed) {
  parameters_.initialise(encoderToo, seed);
  parametersChanged();
}

void Dinomaly::parametersChanged() {
  backend_->parametersChanged();
  encoder_.weightsChanged();
}

Dinomaly::Uploaded Dinomaly::upload(const Images& images) {
  const int64_t values = images.count * 3 * images.height * images.width;
  Uploaded there{images, backend_->allocateBytes(values * (images.pixels ? 1 : static_cast<int64_t>(sizeof(float))))};
  if (images.pixels) {
    backend_->uploadBytes(there.memory.get(), images.pixels, values);
    there.images.pixels = static_cast<const uint8_t*>(there.memory.get());
  } else {
    backend_->upload(static_cast<float*>(there.memory.get()), images.tensor, values);
    there.images.tensor = static_cast<const float*>(there.memory.get());
  }
  return there;
}

Activations Dinomaly::tokens(const Images& images) {
  return encoder_.tokens(upload(images).images);
}

Features Dinomaly::encode(const Images& images, const CancelToken& cancel) {
  return encodeUploaded(upload(images).images, cancel);
}

Features Dinomaly::allocateFeatures(int64_t images, int64_t rows, int64_t cols) {
  Features f{images, rows, cols, {}, {}};
  const int64_t dim = config_.encoder.dim;
  for (size_t g = 0; g < config_.groups.size(); ++g) {
    f.groups.push_back(backend_->allocateActivations(images * rows * cols * dim));
  }
  f.mean = backend_->allocateActivations(shapeOf(f).rows() * dim);
  return f;
}

Features Dinomaly::encodeUploaded(const Images& images, const CancelToken& cancel) {
  const EncoderConfig& e = config_.encoder;
  const Features f = allocateFeatures(images.count, images.height / e.patch, images.width / e.patch);
  const int64_t patches = f.rows * f.cols, tokens = shapeOf(f).tokens;
  backend_->zero(f.mean.get(), f.images * tokens * e.dim);
  const float share = 1.0f / static_cast<float>(e.targets.size());
  for (int64_t first = 0; first < f.images; first += backend_->imagesAtOnce()) {
    const int64_t count = std::min(backend_->imagesAtOnce(), f.images - first);
    std::vector<bool> begun(config_.groups.size());
    encoder_.forward(images.slice(first, count), cancel, [&](size_t target, const Activations& x) {
      backend_->addScaled(backend_->at(f.mean, first * tokens * e.dim), x.get(), share, count * tokens * e.dim);
      for (size_t g = 0; g < config_.groups.size(); ++g) {
        const std::vector<int64_t>& group = config_.groups[g];
        const auto times = std::count(group.begin(), group.end(), static_cast<int64_t>(target));
        if (!times) continue;
        const float part = static_cast<float>(times) / static_cast<float>(group.size());
        backend_->takePatches(backend_->at(f.groups[g], first * patches * e.dim), x.get(), part, begun[g], count,
                              tokens, patches, e.dim);
        begun[g] = true;
      }
    });
  }
  return f;
}

Shape Dinomaly::shapeOf(const Features& f) const {
  return {f.images, 1 + config_.encoder.registers + f.rows * f.cols};
}

Decoded Dinomaly::decode(const Features& f, const CancelToken& cancel) {
  const int64_t dim = config_.encoder.dim, patches = f.rows * f.cols;
  Decoded decoded;
  for (size_t g = 0; g < f.groups.size(); ++g) {
    decoded.groups.push_back(backend_->allocateActivations(f.images * patches * dim));
  }
  for (int64_t first = 0; first < f.images; first += backend_->imagesAtOnce()) {
    Shape shape = shapeOf(f);
    shape.images = std::min(backend_->imagesAtOnce(), f.images - first);
    const Activations part(f.mean, backend_->at(f.mean, first * shape.tokens * dim));
    const Activations x = bottleneck_.forward(*backend_, part, shape.rows());
    cancel.check();
    const std::vector<Activations> groups = decoder_.forward(*backend_, x, shape, patches, nullptr, cancel);
    for (size_t g = 0; g < groups.size(); ++g) {
      backend_->copy(backend_->at(decoded.groups[g], first * patches * dim), groups[g].get(),
                     shape.images * patches * dim);
    }
  }
  return decoded;
}

void Dinomaly::mapsOf(float* maps, float* scores, const Features& f, const Decoded& decoded, int64_t height,
                      int64_t width) {
  const int64_t points = f.images * f.rows * f.cols;
  std::vector<Buffer> distances;
  std::vector<const float*> views;
  for (size_t g = 0; g < f.groups.size(); ++g) {
    distances.push_back(backend_->allocate(points));
    views.push_back(distances.back().get());
    backend_->cosineDistance(distances.back().get(), f.groups[g].get(), decoded.groups[g].get(), points,
                             config_.encoder.dim);
  }
  backend_->anomalyMaps(maps, views.data(), static_cast<int64_t>(views.size()), f.images, f.rows, f.cols, height,
                        width);
  backend_->imageScores(scores, maps, f.images);
}

Maps Dinomaly::maps(const Features& f, const Decoded& decoded, int64_t height, int64_t width) {
  const Buffer maps = backend_->allocate(f.images * kMapPixels), scores = backend_->allocate(f.images);
  mapsOf(maps.get(), scores.get(), f, decoded, height, width);
  Maps result;
  result.maps.resize(static_cast<size_t>(f.images * kMapPixels));
  result.scores.resize(static_cast<size_t>(f.images));
  backend_->download(result.maps.data(), maps.get(), f.images * kMapPixels);
  backend_->download(result.scores.data(), scores.get(), f.images);
  return result;
}

void Dinomaly::score(const std::vector<const uint8_t*>& pictures, int64_t height, int64_t width,
                     const CancelToken& cancel, const std::function<void(Maps)>& done) {
  Scored before;
  const auto finish = [&] {
    if (before.count > 0) done(finishScoring(before));
    before = {};
  };
  const auto all = static_cast<int64_t>(pictures.size());
  for (int64_t first = 0; first < all;) {
    const int64_t count = std::min(scoredAtOnce_, all - first);
    try {
      Scored next = startScoring(pictures.data() + first, {count, height, width}, cancel);
      first += count;
      finish();
      before = std::move(next);
    } catch (const Error& error) {
      if (error.code() != "ERR_OUT_OF_MEMORY" || count == 1) throw;
      finish();
      forgetScorings();
      scoredAtOnce_ = (count + 1) / 2;  // for good: the next batch would not fit either
    }
  }
  finish();
}

Dinomaly::Scored Dinomaly::startScoring(const uint8_t* const* pictures, const ImageShape& shape,
                                        const CancelToken& cancel) {
  const Scoring& s = scoringOf(shape);
  const auto [count, height, width] = shape;
  const int64_t size = 3 * height * width;
  for (int64_t i = 0; i < count; ++i) backend_->uploadBytes(s.pixels.get() + i * size, pictures[i], size);
  backend_->run(s.recording, [&] {
    const Features features = encodeUploaded(s.images, cancel);
    mapsOf(s.maps.get(), s.scores.get(), features, decode(features, cancel), s.images.height, s.images.width);
  });
  return {count, backend_->startDownload(s.maps.get(), count * kMapPixels * kFloat),
          backend_->startDownload(s.scores.get(), count * kFloat)};
}

Maps Dinomaly::finishScoring(const Scored& scored) {
  const auto* const maps = static_cast<const float*>(backend_->finishDownload(scored.maps));
  const auto* const scores = static_cast<const float*>(backend_->finishDownload(scored.scores));
  return {{maps, maps + scored.count * kMapPixels}, {scores, scores + scored.count}};
}

Dinomaly::Scoring& Dinomaly::scoringOf(const ImageShape& shape) {
  const auto found = scorings_.find(shape);
  if (found != scorings_.end()) return found->second;
  if (scorings_.size() == kMostRecordings) forgetScorings();
  const auto [count, height, width] = shape;
  Bytes pixels = std::static_pointer_cast<uint8_t>(backend_->allocateBytes(count * 3 * height * width));
  const Images images{pixels.get(), nullptr, count, height, width};
  return scorings_[shape] = {++recordings_, images, std::move(pixels), backend_->allocate(count * kMapPixels),
                             backend_->allocate(count)};
}

void Dinomaly::forgetScorings() {
  for (const auto& [shape, scoring] : scorings_) backend_->forget(scoring.recording);
  scorings_.clear();
}

SpareMemory Dinomaly::spareMemory() const {
  constexpr int64_t kForTraining = 3;  // a third of the device
  const MemoryState memory = backend_->memory();
  if (memory.allBytes == 0) return SpareMemory::host;
  return memory.freeBytes > memory.allBytes / kForTraining ? SpareMemory::device : SpareMemory::none;
}

HostFeatures Dinomaly::toHost(const Features& f) {
  const int64_t ofGroup = f.images * f.rows * f.cols * config_.encoder.dim * backend_->elementBytes();
  const int64_t ofMean = shapeOf(f).rows() * config_.encoder.dim * backend_->elementBytes();
  HostFeatures host{f.images, f.rows, f.cols, {}, std::vector<unsigned char>(static_cast<size_t>(ofMean))};
  host.groups.resize(f.groups.size() * static_cast<size_t>(ofGroup));
  unsigned char* to = host.groups.data();
  for (const Activations& group : f.groups) {
    backend_->downloadBytes(to, group.get(), ofGroup);
    to += ofGroup;
  }
  backend_->downloadBytes(host.mean.data(), f.mean.get(), ofMean);
  return host;
}

Features Dinomaly::toDevice(const HostFeatures& host) {
  const Features f = allocateFeatures(host.images, host.rows, host.cols);
  const auto ofGroup = static_cast<int64_t>(host.groups.size() / f.groups.size());
  const unsigned char* from = host.groups.data();
  for (const Activations& group : f.groups) {
    backend_->uploadBytes(group.get(), from, ofGroup);
    from += ofGroup;
  }
  backend_->uploadBytes(f.mean.get(), host.mean.data(), static_cast<int64_t>(host.mean.size()));
  return f;
}

int64_t Dinomaly::bytesOf(const Features& f) const {
  const int64_t points = static_cast<int64_t>(f.groups.size()) * f.rows * f.cols + shapeOf(f).tokens;
  return f.images * points * config_.encoder.dim * backend_->elementBytes();
}

}  // namespace dinomaly
