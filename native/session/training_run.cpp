#include "session/training_run.h"

#include <string>

#include "core/error.h"

namespace dinomaly {
namespace {

constexpr double kQuantile = 0.999;

}  // namespace

TrainingRun::TrainingRun(Dinomaly& network, FeatureCache& cache, int64_t side, int64_t batchSize)
    : network_(network), cache_(cache), side_(side), batchSize_(batchSize), quantile_(kQuantile) {}

std::optional<StepResult> TrainingRun::step(const TrainingBatch& batch, int64_t iteration,
                                            const TrainingOptions& options, bool report, const CancelToken& cancel) {
  refuseFailed();
  failed_ = true;
  const std::vector<std::shared_ptr<const Features>> features = encode(batch, cancel);
  std::vector<const Features*> parts;
  for (const auto& part : features) parts.push_back(part.get());
  network_.trainStep(parts, iteration, options, cancel);
  reported_ = report;
  std::optional<StepResult> result;
  if (report) result = network_.stepResult();
  failed_ = false;
  return result;
}

void TrainingRun::settle() {
  refuseFailed();
  if (reported_) return;
  failed_ = true;
  network_.stepResult();
  reported_ = true;
  failed_ = false;
}

void TrainingRun::refuseFailed() const {
  if (failed_) throw Error("ERR_INTERNAL", "Expected a training run without a failed step, found one that failed.");
}

void TrainingRun::observe(const TrainingBatch& batch, const CancelToken& cancel) {
  settle();
  const bool isTensor = !batch.tensor.shape.empty();
  const int64_t height = isTensor ? batch.tensor.shape[2] : side_, width = isTensor ? batch.tensor.shape[3] : side_;
  for (const auto& features : encode(batch, cancel)) {
    const Maps maps = network_.maps(*features, network_.decode(*features, cancel), height, width);
    quantile_.add(maps.maps.data(), maps.maps.size());
  }
}

double TrainingRun::heatmapMax() {
  settle();
  if (quantile_.count() == 0) throw Error("ERR_INTERNAL", "heatmapMax: expected observed maps, found none.");
  const double value = 2 * quantile_.value();
  quantile_ = TopQuantile(kQuantile);
  return value;
}

std::vector<std::shared_ptr<const Features>> TrainingRun::encode(const TrainingBatch& batch,
                                                                 const CancelToken& cancel) {
  if (!batch.tensor.shape.empty()) return {encode(batch.tensor, cancel)};
  std::vector<std::shared_ptr<const Features>> features;
  std::vector<size_t> missing;
  std::vector<const uint8_t*> pixels;
  for (const TrainingPicture& picture : batch.pictures) {
    const auto kept = cache_.find(picture.id);
    if (!kept) {
      missing.push_back(features.size());
      pixels.push_back(pixelsOf(picture));
    }
    features.push_back(kept ? onDevice(*kept) : nullptr);
  }
  std::vector<Features> made = network_.encodeEach(pixels, side_, side_, batchSize_, cancel);
  for (size_t i = 0; i < missing.size(); ++i) {
    features[missing[i]] = std::make_shared<const Features>(std::move(made[i]));
    keep(batch.pictures[missing[i]].id, features[missing[i]]);
  }
  return features;
}

std::shared_ptr<const Features> TrainingRun::encode(const Tensor& tensor, const CancelToken& cancel) {
  Images images;
  images.tensor = tensor.data.data();
  images.count = tensor.shape[0];
  images.height = tensor.shape[2];
  images.width = tensor.shape[3];
  return std::make_shared<const Features>(network_.encode(images, cancel));
}

const uint8_t* TrainingRun::pixelsOf(const TrainingPicture& picture) const {
  if (static_cast<int64_t>(picture.pixels.size()) == side_ * side_ * 3) return picture.pixels.data();
  throw Error("ERR_INVALID_ARGUMENT", "Picture " + std::to_string(picture.id) + ": expected kept features or " +
                                          std::to_string(side_) + " x " + std::to_string(side_) +
                                          " RGB pixels, found " + std::to_string(picture.pixels.size()) + " bytes.");
}

std::shared_ptr<const Features> TrainingRun::onDevice(const KeptFeatures& kept) {
  if (const auto* features = std::get_if<std::shared_ptr<const Features>>(&kept)) return *features;
  return std::make_shared<const Features>(network_.toDevice(*std::get<std::shared_ptr<const HostFeatures>>(kept)));
}

void TrainingRun::keep(int64_t id, const std::shared_ptr<const Features>& features) {
  const int64_t bytes = network_.bytesOf(*features);
  const SpareMemory spare = network_.spareMemory();
  if (spare == SpareMemory::device) {
    cache_.keep(id, features, 0);
  } else if (cache_.fits(bytes)) {
    if (spare == SpareMemory::host) {
      cache_.keep(id, features, bytes);
    } else {
      cache_.keep(id, std::make_shared<const HostFeatures>(network_.toHost(*features)), bytes);
    }
  } else if (cache_.fileTakes(id, bytes)) {
    cache_.write(id, network_.toHost(*features));
  }
}

}  // namespace dinomaly
