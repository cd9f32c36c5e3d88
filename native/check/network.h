// The network that is checked. The only file here that calls it, so that the commands do not depend on how.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "check/flags.h"
#include "check/tensor_index.h"
#include "model/dinomaly.h"

namespace dinomaly::check {

class Network {
 public:
  /// Its shape is --dim, --heads, --depth, --grid, --registers, --targets, --groups, --dropout; the device computes in
  /// --precision; weights are drawn from --seed, but for those in the index --weights, if there is one.
  explicit Network(const Flags& flags);

  /// Every tensor that golden files hold: tokens, mean, encoder.<group>, decoder.<group>, maps, scores.
  void forward(const Images& images, Results& results);
  /// Of pictures (side,side,3), atOnce of them in one go, while the results of those before come back.
  void score(const std::vector<const uint8_t*>& pictures, int64_t side, int64_t atOnce,
             const std::function<void(const MapsView&)>& done);

  void beginTraining(const Schedule& schedule, double clipNorm);
  /// The pictures' features as training gets them: one by one of pixels, all in one of a tensor.
  std::vector<Features> encode(const Images& images);
  void step(const std::vector<Features>& parts, int64_t iteration);
  /// Of the last step, for which it waits.
  StepResult result() { return model_.stepResult(); }
  /// What is trained, and its last gradients before clipping as gradient.<name>.
  void addParameters(Results& results) const;
  void addGradients(Results& results) const;

 private:
  std::vector<float> download(const Activations& x, int64_t size);

  Dinomaly model_;
  TrainingOptions options_;
};

}  // namespace dinomaly::check
