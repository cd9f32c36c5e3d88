// The whole network: frozen encoder, noisy bottleneck, linear-attention decoder, loss, optimiser, maps and scores.
// Not thread-safe: one thread at a time (the session's).
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "backend/backend.h"
#include "core/cancel.h"
#include "core/map_side.h"
#include "model/bottleneck.h"
#include "model/config.h"
#include "model/decoder.h"
#include "model/encoder.h"
#include "model/images.h"
#include "model/parameters.h"
#include "model/schedule.h"

namespace dinomaly {

/// What the encoder makes of pictures and all that the rest needs of it.
struct Features {
  int64_t images = 0, rows = 0, cols = 0;  // patches: rows x cols
  std::vector<Buffer> groups;              // per group (B, P, D): mean of its targets, patches only
  Buffer mean;                             // (B, N, D): mean of all targets, the bottleneck's input
};

struct Decoded {
  std::vector<Buffer> groups;  // per group (B, P, D), patches only
};

struct Maps {
  std::vector<float> maps;    // (B, 256, 256)
  std::vector<float> scores;  // (B)
};

struct StepResult {
  double loss, gradientNorm, learningRate;
};

struct TrainingOptions {
  Schedule schedule;
  double clipNorm = 0.1, weightDecay = 1e-4;
  uint64_t seed = 1;
};

class Dinomaly {
 public:
  /// Weights are zero until they are set or initialised. Throws ERR_INVALID_ARGUMENT, ERR_OUT_OF_MEMORY.
  Dinomaly(ModelConfig config, std::unique_ptr<Backend> backend);

  const ModelConfig& config() const { return config_; }
  std::vector<ParameterInfo> parameters() const;
  /// Host values of one parameter, in and out; size: product of its shape. Unknown name: ERR_INTERNAL.
  void setParameter(const std::string& name, const float* values);
  void getParameter(const std::string& name, float* values) const;

  /// Random weights from seed: everything, or bottleneck and decoder alone (truncated normal, std 0.01, +-0.03).
  void initialise(bool encoderToo, uint64_t seed);

  /// What the first block gets, (B, N, D) with N = 1 + registers + patches.
  Buffer tokens(const Images& images);
  Features encode(const Images& images, const CancelToken& cancel);
  /// Joins single features into a batch (all of one size).
  Features batch(const std::vector<const Features*>& parts);
  /// Without noise, picture by picture: what comes out does not depend on the others.
  Decoded decode(const Features& features, const CancelToken& cancel);
  /// height, width: of the pictures that went into encode().
  Maps maps(const Features& features, const Decoded& decoded, int64_t height, int64_t width);

  /// Optimiser state exists between the two; zero at the start.
  void beginTraining();
  void endTraining();
  bool training() const { return training_; }
  /// One iteration; throws ERR_LOSS_NOT_FINITE, or Cancelled, before anything is changed.
  StepResult trainStep(const Features& features, int64_t iteration, const TrainingOptions& options,
                       const CancelToken& cancel);

  /// Optimiser state by name, for checkpoints: exp_avg, exp_avg_sq, max_exp_avg_sq of each trainable parameter,
  /// as optimizer.<which>.<parameter>. The number of steps done is the iteration of the run.
  std::vector<ParameterInfo> optimizerState() const;
  void setOptimizerState(const std::string& name, const float* values);
  void getOptimizerState(const std::string& name, float* values) const;

  int64_t bytesOf(const Features& features) const;
  /// For tests: the last step's gradient of a trainable parameter, before clipping; the device.
  std::vector<float> gradient(const std::string& name) const;
  Backend& backend() { return *backend_; }

 private:
  Shape shapeOf(const Features& features) const;
  std::pair<const Parameter&, const Buffer&> stateOf(const std::string& name) const;

  const ModelConfig config_;
  const std::unique_ptr<Backend> backend_;
  Parameters parameters_;
  Encoder encoder_;
  Bottleneck bottleneck_;
  Decoder decoder_;
  bool training_ = false;
};

}  // namespace dinomaly
