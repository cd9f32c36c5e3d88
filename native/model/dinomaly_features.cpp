// Dinomaly's features of single pictures, and where they are kept.
#include <algorithm>

#include "model/dinomaly.h"

namespace dinomaly {

std::vector<Features> Dinomaly::encodeEach(const std::vector<const uint8_t*>& pictures, int64_t height, int64_t width,
                                           int64_t atOnce, const CancelToken& cancel) {
  const ImageShape shape{std::min(atOnce, backend_->imagesAtOnce()), height, width};
  const auto all = static_cast<int64_t>(pictures.size());
  std::vector<Features> each;
  while (static_cast<int64_t>(each.size()) < all) {
    const auto done = static_cast<int64_t>(each.size());
    withAllMemory([&] {
      each.resize(static_cast<size_t>(done));  // of an attempt that there was no memory for
      encodeSome(pictures.data() + done, all - done, shape, each, cancel);
    });
  }
  return each;
}

void Dinomaly::encodeSome(const uint8_t* const* pictures, int64_t left, const ImageShape& shape,
                          std::vector<Features>& each, const CancelToken& cancel) {
  const Encoding& e = encodingOf(shape);
  const int64_t count = std::min(e.images.count, left);
  uploadPictures(e.pixels, e.images, pictures, count);
  backend_->run(e.recording, [&] { encodeInto(e.features, e.images, cancel); });
  const size_t done = each.size();
  for (int64_t i = 0; i < count; ++i) each.push_back(allocateFeatures(1, e.features.rows, e.features.cols));
  std::vector<const Features*> made;
  for (size_t i = done; i < each.size(); ++i) made.push_back(&each[i]);
  separate(made, e.features);
}

Dinomaly::Encoding& Dinomaly::encodingOf(const ImageShape& shape) {
  const auto found = encodings_.find(shape);
  if (found != encodings_.end()) return found->second;
  if (encodings_.size() == kMostRecordings) forgetEncodings();
  const auto [count, height, width] = shape;
  Bytes pixels = std::static_pointer_cast<uint8_t>(backend_->allocateBytes(count * 3 * height * width));
  const Images images{pixels.get(), nullptr, count, height, width};
  const int64_t patch = config_.encoder.patch;
  Features features = passingFeatures(count, height / patch, width / patch);
  return encodings_[shape] = {++recordings_, images, std::move(pixels), std::move(features)};
}

Features Dinomaly::passingFeatures(int64_t images, int64_t rows, int64_t cols) {
  const auto fits = [&](const Features& f) { return f.images == images && f.rows == rows && f.cols == cols; };
  for (const auto& [shape, step] : steps_) {
    if (fits(step.batch)) return step.batch;
  }
  for (const auto& [shape, encoding] : encodings_) {
    if (fits(encoding.features)) return encoding.features;
  }
  return allocateFeatures(images, rows, cols);
}

void Dinomaly::forgetEncodings() {
  for (const auto& [shape, encoding] : encodings_) backend_->forget(encoding.recording);
  encodings_.clear();
}

void Dinomaly::forEachPart(const Features& batch, const std::vector<const Features*>& parts,
                           const std::function<void(Element*, Element*, int64_t)>& visit) const {
  const auto visitOne = [&](const Activations& whole, int64_t sizeOfOne, const auto& of) {
    int64_t at = 0;
    for (const Features* part : parts) {
      const int64_t size = part->images * sizeOfOne;
      visit(backend_->at(whole, at), of(*part).get(), size);
      at += size;
    }
  };
  const int64_t dim = config_.encoder.dim;
  for (size_t g = 0; g < batch.groups.size(); ++g) {
    visitOne(batch.groups[g], batch.rows * batch.cols * dim, [g](const Features& f) { return f.groups[g]; });
  }
  visitOne(batch.mean, shapeOf(batch).tokens * dim, [](const Features& f) { return f.mean; });
}

void Dinomaly::join(const Features& batch, const std::vector<const Features*>& parts) {
  std::vector<Copy> copies;
  forEachPart(batch, parts, [&](Element* whole, Element* part, int64_t size) {
    copies.push_back({whole, part, size});
  });
  backend_->copyEach(copies.data(), static_cast<int64_t>(copies.size()));
}

void Dinomaly::separate(const std::vector<const Features*>& parts, const Features& batch) {
  std::vector<Copy> copies;
  forEachPart(batch, parts, [&](Element* whole, Element* part, int64_t size) {
    copies.push_back({part, whole, size});
  });
  backend_->copyEach(copies.data(), static_cast<int64_t>(copies.size()));
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
  Features f;
  withAllMemory([&] { f = allocateFeatures(host.images, host.rows, host.cols); });
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
