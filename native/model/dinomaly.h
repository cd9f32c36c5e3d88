// The whole network: frozen encoder, noisy bottleneck, linear-attention decoder, loss, optimiser, maps and scores.
// Not thread-safe: one thread at a time (the session's).
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <tuple>
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
  std::vector<Activations> groups;         // per group (B, P, D): mean of its targets, patches only
  Activations mean;                        // (B, N, D): mean of all targets, the bottleneck's input
};

/// The same in the host's memory.
struct HostFeatures {
  int64_t images, rows, cols;
  std::vector<unsigned char> groups, mean;  // as they lie on the device
};

/// Where features may stay beside what training needs: the device's memory is the host's, or it has some to spare, or
/// not.
enum class SpareMemory { host, device, none };

struct Decoded {
  std::vector<Activations> groups;  // per group (B, P, D), patches only
};

/// Of `count` pictures; whoever is told of them may read them until it returns.
struct MapsView {
  const float *maps, *scores;
  int64_t count;
};

struct Maps {
  std::vector<float> maps;    // (B, 256, 256)
  std::vector<float> scores;  // (B)

  void add(const MapsView& more);
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
  /// Weights are undefined until they are set or initialised. Throws ERR_INVALID_ARGUMENT, ERR_OUT_OF_MEMORY.
  Dinomaly(ModelConfig config, std::unique_ptr<Backend> backend);

  const ModelConfig& config() const { return config_; }
  std::vector<ParameterInfo> parameters() const;
  /// Host values of one parameter, in and out; size: product of its shape. Unknown name: ERR_INTERNAL.
  void setParameter(const std::string& name, const float* values);
  void getParameter(const std::string& name, float* values) const;

  /// Random weights from seed: everything, or bottleneck and decoder alone (truncated normal, std 0.01, +-0.03).
  void initialise(bool encoderToo, uint64_t seed);

  // Pictures come from the host.
  /// What the first block gets, (B, N, D) with N = 1 + registers + patches.
  Activations tokens(const Images& images);
  Features encode(const Images& images, const CancelToken& cancel);
  /// encode() of pictures (height, width, 3), each for itself. A device takes `atOnce` of them together, always so
  /// many: the last ones are repeated where there are fewer, so that what comes out does not depend on how many there
  /// are.
  std::vector<Features> encodeEach(const std::vector<const uint8_t*>& pictures, int64_t height, int64_t width,
                                   int64_t atOnce, const CancelToken& cancel);
  /// encode(), decode() and maps() of pictures (height, width, 3) in one, which a device may record for a shape that
  /// comes again. `done` gets them some at a time and in order, while the device may be at work on the next.
  void score(const std::vector<const uint8_t*>& pictures, int64_t height, int64_t width, const CancelToken& cancel,
             const std::function<void(const MapsView&)>& done);
  /// How many score() gives the device at once; the device's own number at first, and from the end of a training. Where
  /// memory is short score() halves it.
  void setScoredAtOnce(int64_t pictures) { scoredAtOnce_ = pictures; }
  /// Without noise, picture by picture: what comes out does not depend on the others.
  Decoded decode(const Features& features, const CancelToken& cancel);
  /// height, width: of the pictures that went into encode().
  Maps maps(const Features& features, const Decoded& decoded, int64_t height, int64_t width);

  /// Optimiser state exists between the two; zero at the start.
  void beginTraining();
  void endTraining();
  bool training() const { return training_; }
  /// One iteration on a batch joined of features of one size. Throws Cancelled before anything is changed. A step whose
  /// loss or gradient is not finite changes nothing, nor do those after it, until stepResult() has told so.
  void trainStep(const std::vector<const Features*>& parts, int64_t iteration, const TrainingOptions& options,
                 const CancelToken& cancel);
  /// Of the last step; waits for it. Throws ERR_LOSS_NOT_FINITE for the first step that failed since the last call.
  StepResult stepResult();

  /// Optimiser state by name, for checkpoints: exp_avg, exp_avg_sq, max_exp_avg_sq of each trainable parameter,
  /// as optimizer.<which>.<parameter>. The number of steps done is the iteration of the run.
  std::vector<ParameterInfo> optimizerState() const;
  void setOptimizerState(const std::string& name, const float* values);
  void getOptimizerState(const std::string& name, float* values) const;

  int64_t bytesOf(const Features& features) const;
  SpareMemory spareMemory() const;
  HostFeatures toHost(const Features& features);
  Features toDevice(const HostFeatures& features);
  /// For tests: the last step's gradient of a trainable parameter, before clipping; the device.
  std::vector<float> gradient(const std::string& name) const;
  Backend& backend() { return *backend_; }

 private:
  /// Pictures in the device's memory, with what keeps them there.
  struct Uploaded {
    Images images;
    std::shared_ptr<void> memory;
  };
  /// What is recorded of scoring pictures of one shape, and where it reads and writes.
  struct Scoring {
    int64_t recording;
    Images images;
    Bytes pixels;
    Buffer results;
  };
  /// The same of encoding.
  struct Encoding {
    int64_t recording;
    Images images;
    Bytes pixels;
    Features features;
  };
  /// The same of a training step.
  struct Step {
    int64_t recording;
    Features batch;
  };
  static constexpr size_t kMostRecordings = 16;              // of either kind; a service has few shapes
  using ImageShape = std::tuple<int64_t, int64_t, int64_t>;  // count, height or rows, width or columns

  Uploaded upload(const Images& images);
  /// What `images` are to be: `count` pictures, the last of them repeated where it takes more.
  void uploadPictures(const Bytes& pixels, const Images& images, const uint8_t* const* pictures, int64_t count);
  Shape shapeOf(const Features& features) const;
  Features allocateFeatures(int64_t images, int64_t rows, int64_t cols);
  Features encodeUploaded(const Images& images, const CancelToken& cancel);
  void encodeInto(const Features& features, const Images& images, const CancelToken& cancel);
  Decoded decodeAll(const Features& features, const CancelToken& cancel);
  void mapsOf(float* maps, float* scores, const Features& features, const Decoded& decoded, int64_t height,
              int64_t width);
  /// Adds to `each` the features of as many as `shape` says, or of those that are left.
  void encodeSome(const uint8_t* const* pictures, int64_t left, const ImageShape& shape, std::vector<Features>& each,
                  const CancelToken& cancel);
  Encoding& encodingOf(const ImageShape& shape);
  /// The same memory for encodings and steps of one size: an encoding's are copied before anything else happens, and a
  /// step's are joined just before it.
  Features passingFeatures(int64_t images, int64_t rows, int64_t cols);
  void forgetEncodings();
  /// Calls visit(of the batch, of the part, size) for each tensor of each part, one behind the other in the batch's:
  /// what lies in the same place in both.
  void forEachPart(const Features& batch, const std::vector<const Features*>& parts,
                   const std::function<void(Element*, Element*, int64_t)>& visit) const;
  /// Copies a batch's first pictures into the parts; join() is the way back.
  void separate(const std::vector<const Features*>& parts, const Features& batch);
  Scoring& scoringOf(const ImageShape& shape);
  void forgetScorings();
  /// Calls `compute`; if memory runs out, gives back what is kept for shapes that may come again, and calls it again.
  void withAllMemory(const std::function<void()>& compute);
  /// Pictures that the device is at work on.
  struct Scored {
    int64_t count = 0, computed = 0;
    std::shared_ptr<void> results;
  };
  Scored startScoring(const uint8_t* const* pictures, int64_t count, int64_t height, int64_t width,
                      const CancelToken& cancel);
  Step& stepOf(const std::vector<const Features*>& parts);
  void forgetSteps();
  void join(const Features& batch, const std::vector<const Features*>& parts);
  void startStep(const std::vector<const Features*>& parts, int64_t iteration, const TrainingOptions& options,
                 const CancelToken& cancel);
  void runStep(const Features& batch, const CancelToken& cancel);
  void parametersChanged();
  std::pair<const Parameter&, const Buffer&> stateOf(const std::string& name) const;

  const ModelConfig config_;
  const std::unique_ptr<Backend> backend_;
  Parameters parameters_;
  Encoder encoder_;
  Bottleneck bottleneck_;
  Decoder decoder_;
  int64_t recordings_ = 0;  // ids given so far
  std::map<ImageShape, Encoding> encodings_;
  std::map<ImageShape, Scoring> scorings_;
  int64_t scoredAtOnce_;

  bool training_ = false;
  std::map<ImageShape, Step> steps_;
  double learningRate_ = 0;  // of the last step
};

}  // namespace dinomaly
