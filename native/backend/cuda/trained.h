// The parameters in training, as a table in device memory that the optimiser's kernels read.
#pragma once

#include <memory>
#include <vector>

#include "backend/backend.h"
#include "backend/cuda/optimizer.h"
#include "backend/cuda/rounded_weights.h"
#include "backend/cuda/step.h"

namespace dinomaly::cuda {

class Trained {
 public:
  void set(const TrainedTensor* tensors, int64_t count);
  /// Whether p is one of them.
  bool has(const float* p) const;
  /// Norm, clipping and one step of all of them, their rounded copies included.
  void step(Stream stream, Backend& backend, Step* step, const RoundedWeights& rounded);
  /// The rounded copies are others from now on.
  void forgetTable() { table_ = {}; }

 private:
  /// Looks for rounded copies that came after the table. The table must not change between steps that are recorded, and
  /// does not: products round what they read when they first run, before.
  bool isTrue(const RoundedWeights& rounded);
  void makeTable(Backend& backend, const RoundedWeights& rounded);

  std::vector<TrainedTensor> tensors_;
  std::shared_ptr<void> onDevice_, chunks_;
  OptimizerTable table_{};     // made by the first step, when products have rounded what they read
  std::vector<bf16*> copies_;  // of its tensors
  size_t rounded_ = 0;         // copies that there were then, of these and others
};

}  // namespace dinomaly::cuda
