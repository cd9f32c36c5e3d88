#include "model/dinomaly.h"

#include <algorithm>
#include <utility>

#include "core/error.h"
#include "model/group_mean.h"

namespace dinomaly {
namespace {

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

void Dinomaly::uploadPictures(const Bytes& pixels, const Images& images, const uint8_t* const* pictures,
                              int64_t count) {
  std::vector<const void*> each(pictures, pictures + count);
  each.resize(static_cast<size_t>(images.count), pictures[count - 1]);
  backend_->uploadEach(pixels.get(), each.data(), images.count, 3 * images.height * images.width);
}

Activations Dinomaly::tokens(const Images& images) {
  return encoder_.tokens(upload(images).images);
}

Features Dinomaly::encode(const Images& images, const CancelToken& cancel) {
  Features features;
  withAllMemory([&] { features = encodeUploaded(upload(images).images, cancel); });
  return features;
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
  const int64_t patch = config_.encoder.patch;
  const Features features = allocateFeatures(images.count, images.height / patch, images.width / patch);
  encodeInto(features, images, cancel);
  return features;
}

void Dinomaly::encodeInto(const Features& f, const Images& images, const CancelToken& cancel) {
  const EncoderConfig& e = config_.encoder;
  const int64_t patches = f.rows * f.cols;
  for (int64_t first = 0; first < f.images; first += backend_->imagesAtOnce()) {
    Shape shape = shapeOf(f);
    shape.images = std::min(backend_->imagesAtOnce(), f.images - first);
    const std::vector<Activations> targets = encoder_.forward(images.slice(first, shape.images), cancel);
    std::vector<Element*> groups;
    for (const Activations& group : f.groups) groups.push_back(backend_->at(group, first * patches * e.dim));
    groupMeans(*backend_, backend_->at(f.mean, first * shape.tokens * e.dim), groups, targets, config_.groups, shape,
               patches, e.dim);
  }
}

Shape Dinomaly::shapeOf(const Features& f) const {
  return {f.images, 1 + config_.encoder.registers + f.rows * f.cols};
}

Decoded Dinomaly::decode(const Features& features, const CancelToken& cancel) {
  Decoded decoded;
  withAllMemory([&] { decoded = decodeAll(features, cancel); });
  return decoded;
}

Decoded Dinomaly::decodeAll(const Features& f, const CancelToken& cancel) {
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
    std::vector<Element*> groups;
    for (const Activations& group : decoded.groups) groups.push_back(backend_->at(group, first * patches * dim));
    decoder_.forward(*backend_, groups, x, shape, patches, nullptr, cancel);
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
  Buffer maps, scores;
  withAllMemory([&] {
    maps = backend_->allocate(f.images * kMapPixels);
    scores = backend_->allocate(f.images);
    mapsOf(maps.get(), scores.get(), f, decoded, height, width);
  });
  Maps result;
  result.maps.resize(static_cast<size_t>(f.images * kMapPixels));
  result.scores.resize(static_cast<size_t>(f.images));
  backend_->download(result.maps.data(), maps.get(), f.images * kMapPixels);
  backend_->download(result.scores.data(), scores.get(), f.images);
  return result;
}

void Dinomaly::withAllMemory(const std::function<void()>& compute) {
  try {
    return compute();
  } catch (const Error& error) {
    if (error.code() != "ERR_OUT_OF_MEMORY") throw;
  }
  forgetEncodings();
  forgetScorings();
  forgetSteps();
  compute();
}

}  // namespace dinomaly
