// A network on a thread of its own. Every function that takes a `done` is a job; jobs run in the order of their calls.
#pragma once

#include <cstdint>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "model/dinomaly.h"
#include "session/compute_thread.h"
#include "session/feature_cache.h"
#include "session/outcome.h"
#include "session/score_job.h"
#include "session/tensor.h"
#include "session/tensor_reader.h"
#include "session/training_run.h"

namespace dinomaly {

struct Inference {
  std::vector<Tensor> encoder, decoder;  // per group (B, P, D)
  Tensor maps;                           // (B, 256, 256)
  std::vector<float> scores;             // (B)
};

struct NamedTensor {
  std::string name;
  Tensor tensor;
};

/// Pictures that go through the network together, in scoring and inference; how many of them are computed at once is
/// the backend's choice (imagesAtOnce). Few enough to bound memory and what is computed for a request that was
/// cancelled.
constexpr int64_t kBatchCap = 8;

/// A cancelled job ends with Cancelled, one that dispose() met with ERR_DISPOSED; both leave the weights as they were.
class Session {
 public:
  using MakeBackend = std::function<std::unique_ptr<Backend>()>;

  /// The backend is made, and the network built and freed, on the session's thread: they are large. An error while
  /// building is the outcome of every job. batchCap: of scoring.
  Session(ModelConfig config, MakeBackend makeBackend, int64_t batchCap = kBatchCap);
  /// Disposes and waits.
  ~Session();

  const ModelConfig& config() const { return config_; }
  /// Waits for the network to be built; throws what its building threw.
  const std::vector<ParameterInfo>& parameters() const;

  void load(std::vector<TensorSource> sources, Done<Nothing> done);
  /// As Dinomaly::initialise.
  void initialise(bool encoderToo, uint64_t seed, Done<Nothing> done);
  /// images: normalised (B, 3, H, W).
  void infer(Tensor images, CancelToken cancel, Done<Inference> done);
  /// Neighbouring requests of one side go through the network together; the results are those of single ones.
  void score(ScoreRequest request);
  void beginTraining(int64_t side, int64_t batchSize, FeatureRoom room, Done<Nothing> done);
  void endTraining(Done<Nothing> done);
  void trainStep(TrainingBatch batch, int64_t iteration, TrainingOptions options, bool report, CancelToken cancel,
                 Done<std::optional<StepResult>> done);
  void observe(TrainingBatch batch, CancelToken cancel, Done<Nothing> done);
  void heatmapMax(Done<double> done);
  void save(std::string path, std::map<std::string, std::string> metadata, bool optimizer, Done<Nothing> done);
  /// As Backend's of these names.
  void tuning(Done<std::string> done);
  void addTuning(std::string text, Done<Nothing> done);
  void stateDict(Done<std::vector<NamedTensor>> done);

  /// Encoder features of training pictures. Who asks on a thread of his own may outlive the session.
  std::shared_ptr<FeatureCache> features() const { return cache_; }

  /// Cancels what runs, fails what waits, frees the network, then calls `ended` as the thread's last act. Returns at
  /// once. Only the first call counts.
  void dispose(std::function<void()> ended);

 private:
  template <typename T>
  void push(CancelToken token, std::function<T(const CancelToken&)> call, Done<T> done);
  void end() noexcept;
  Dinomaly& network();
  TrainingRun& training();
  Tensor toHost(const Activations& values, std::vector<int64_t> shape);
  Inference infer(const Tensor& images, const CancelToken& cancel);

  const ModelConfig config_;
  const size_t batchCap_;
  const std::shared_ptr<FeatureCache> cache_ = std::make_shared<FeatureCache>();
  std::promise<std::vector<ParameterInfo>> built_;
  std::shared_future<std::vector<ParameterInfo>> parameters_{built_.get_future()};
  bool disposed_ = false;
  std::function<void()> ended_;
  // The compute thread's alone.
  std::unique_ptr<Dinomaly> network_;
  std::unique_ptr<TrainingRun> training_;

  ComputeThread thread_;  // last: it must end before what its jobs use
};

}  // namespace dinomaly
