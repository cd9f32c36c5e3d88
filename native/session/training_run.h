// What a training run needs beside the network: kept features and the quantile of its maps.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "model/dinomaly.h"
#include "session/feature_cache.h"
#include "session/tensor.h"
#include "session/top_quantile.h"

namespace dinomaly {

/// One picture of a data set. Pixels (side, side, 3) may be empty when the cache will find its features.
struct TrainingPicture {
  int64_t id = 0;
  std::vector<uint8_t> pixels;
};

/// Pictures of a data set or, when `tensor` has a shape, a normalised (B,3,H,W).
struct TrainingBatch {
  std::vector<TrainingPicture> pictures;
  Tensor tensor;
};

class TrainingRun {
 public:
  /// side: of the pictures, batchSize: how many are encoded at once where the device gains by it. The cache belongs to
  /// the caller, who may ask it from other threads.
  TrainingRun(Dinomaly& network, FeatureCache& cache, int64_t side, int64_t batchSize);

  /// One iteration, as Dinomaly::trainStep; with `report` waits for it and tells its result. The first failure ends the
  /// run, also for steps that already waited behind it and would go on without the one that is missing: they throw
  /// ERR_INTERNAL.
  std::optional<StepResult> step(const TrainingBatch& batch, int64_t iteration, const TrainingOptions& options,
                                 bool report, const CancelToken& cancel);
  /// Throws what steps that did not report have to say.
  void settle();
  /// Adds the maps of the batch, under the present weights, to the quantile.
  void observe(const TrainingBatch& batch, const CancelToken& cancel);
  /// Twice the 99.9th percentile of all observed maps, which are then forgotten: where heat maps' colours end.
  double heatmapMax();

 private:
  void refuseFailed() const;
  /// Of each picture of a data set, or of a tensor as a whole.
  std::vector<std::shared_ptr<const Features>> encode(const TrainingBatch& batch, const CancelToken& cancel);
  std::shared_ptr<const Features> encode(const Tensor& tensor, const CancelToken& cancel);
  const uint8_t* pixelsOf(const TrainingPicture& picture) const;
  std::shared_ptr<const Features> onDevice(const KeptFeatures& kept);
  void keep(int64_t id, const std::shared_ptr<const Features>& features);

  Dinomaly& network_;
  FeatureCache& cache_;
  int64_t side_, batchSize_;
  bool failed_ = false, reported_ = true;
  TopQuantile quantile_;
};

}  // namespace dinomaly
