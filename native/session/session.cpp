#include "session/session.h"

#include <algorithm>
#include <utility>

#include "core/error.h"
#include "session/call_job.h"
#include "session/checkpoint.h"

namespace dinomaly {
namespace {

void append(Tensor& to, Tensor&& part) {
  if (to.shape.empty()) {
    to = std::move(part);
  } else {
    to.data.insert(to.data.end(), part.data.begin(), part.data.end());
    to.shape[0] += part.shape[0];
  }
}

}  // namespace

Session::Session(ModelConfig config, MakeBackend makeBackend, int64_t batchCap)
    : config_(std::move(config)), batchCap_(static_cast<size_t>(batchCap)), thread_([this] { end(); }) {
  push<std::vector<ParameterInfo>>(
      {},
      [this, makeBackend = std::move(makeBackend)](const CancelToken&) {
        network_ = std::make_unique<Dinomaly>(config_, makeBackend());
        return network_->parameters();
      },
      [this](Outcome<std::vector<ParameterInfo>> outcome) {
        if (outcome.error) {
          built_.set_exception(outcome.error);
        } else {
          built_.set_value(std::move(outcome.value));
        }
      });
}

Session::~Session() = default;

const std::vector<ParameterInfo>& Session::parameters() const {
  return parameters_.get();
}

void Session::load(std::vector<TensorSource> sources, Done<Nothing> done) {
  push<Nothing>(
      {},
      [this, sources = std::move(sources)](const CancelToken& cancel) {
        cache_->clear();
        loadTensors(network(), sources, cancel);
        return Nothing();
      },
      std::move(done));
}

void Session::initialise(bool encoderToo, uint64_t seed, Done<Nothing> done) {
  push<Nothing>(
      {},
      [this, encoderToo, seed](const CancelToken&) {
        if (encoderToo) cache_->clear();
        network().initialise(encoderToo, seed);
        return Nothing();
      },
      std::move(done));
}

void Session::infer(Tensor images, CancelToken cancel, Done<Inference> done) {
  push<Inference>(
      std::move(cancel),
      [this, images = std::move(images)](const CancelToken& running) { return infer(images, running); },
      std::move(done));
}

void Session::score(ScoreRequest request) {
  thread_.push(std::make_unique<ScoreJob>([this]() -> Dinomaly& { return network(); }, batchCap_, std::move(request)));
}

void Session::beginTraining(int64_t side, int64_t batchSize, FeatureRoom room, Done<Nothing> done) {
  push<Nothing>(
      {},
      [this, side, batchSize, room = std::move(room)](const CancelToken&) {
        auto run = std::make_unique<TrainingRun>(network(), *cache_, side, batchSize);
        network().beginTraining();
        cache_->reset(room);
        training_ = std::move(run);
        return Nothing();
      },
      std::move(done));
}

void Session::endTraining(Done<Nothing> done) {
  push<Nothing>(
      {},
      [this](const CancelToken&) {
        training_.reset();
        cache_->reset({});
        network().endTraining();
        return Nothing();
      },
      std::move(done));
}

void Session::trainStep(TrainingBatch batch, int64_t iteration, TrainingOptions options, bool report,
                        CancelToken cancel, Done<std::optional<StepResult>> done) {
  push<std::optional<StepResult>>(
      std::move(cancel),
      [this, batch = std::move(batch), iteration, options, report](const CancelToken& running) {
        return training().step(batch, iteration, options, report, running);
      },
      std::move(done));
}

void Session::observe(TrainingBatch batch, CancelToken cancel, Done<Nothing> done) {
  push<Nothing>(
      std::move(cancel),
      [this, batch = std::move(batch)](const CancelToken& running) {
        training().observe(batch, running);
        return Nothing();
      },
      std::move(done));
}

void Session::heatmapMax(Done<double> done) {
  push<double>(
      {}, [this](const CancelToken&) { return training().heatmapMax(); }, std::move(done));
}

void Session::save(std::string path, std::map<std::string, std::string> metadata, bool optimizer, Done<Nothing> done) {
  push<Nothing>(
      {},
      [this, path = std::move(path), metadata = std::move(metadata), optimizer](const CancelToken& running) {
        if (optimizer) training().settle();  // without a run there is no state to save
        saveCheckpoint(network(), path, metadata, optimizer, running);
        return Nothing();
      },
      std::move(done));
}

void Session::tuning(Done<std::string> done) {
  push<std::string>(
      {}, [this](const CancelToken&) { return network().backend().tuning(); }, std::move(done));
}

void Session::addTuning(std::string text, Done<Nothing> done) {
  push<Nothing>(
      {},
      [this, text = std::move(text)](const CancelToken&) {
        network().backend().addTuning(text.c_str());
        return Nothing();
      },
      std::move(done));
}

void Session::stateDict(Done<std::vector<NamedTensor>> done) {
  push<std::vector<NamedTensor>>(
      {},
      [this](const CancelToken& running) {
        std::vector<NamedTensor> tensors;
        for (const ParameterInfo& parameter : network().parameters()) {
          running.check();
          Tensor tensor{std::vector<float>(static_cast<size_t>(parameter.size())), parameter.shape};
          network().getParameter(parameter.name, tensor.data.data());
          tensors.push_back({parameter.name, std::move(tensor)});
        }
        return tensors;
      },
      std::move(done));
}

void Session::dispose(std::function<void()> ended) {
  if (disposed_) return;
  disposed_ = true;
  ended_ = std::move(ended);
  thread_.stop();
}

template <typename T>
void Session::push(CancelToken token, std::function<T(const CancelToken&)> call, Done<T> done) {
  thread_.push(std::make_unique<CallJob<T>>(std::move(token), std::move(call), std::move(done)));
}

void Session::end() noexcept {
  training_.reset();
  cache_->reset({});
  network_.reset();
  if (ended_) ended_();
}

Dinomaly& Session::network() {
  parameters();  // throws when there is none
  return *network_;
}

TrainingRun& Session::training() {
  network();
  if (!training_) throw Error("ERR_INTERNAL", "Expected a training run, found none: beginTraining comes first.");
  return *training_;
}

Tensor Session::toHost(const Activations& values, std::vector<int64_t> shape) {
  int64_t size = 1;
  for (const int64_t side : shape) size *= side;
  Tensor tensor{std::vector<float>(static_cast<size_t>(size)), std::move(shape)};
  network().backend().download(tensor.data.data(), values.get(), size);
  return tensor;
}

Inference Session::infer(const Tensor& images, const CancelToken& cancel) {
  const int64_t count = images.shape[0], height = images.shape[2], width = images.shape[3];
  const size_t groups = config_.groups.size();
  Inference result;
  result.encoder.resize(groups);
  result.decoder.resize(groups);
  for (int64_t first = 0; first < count; first += kBatchCap) {
    Images part;
    part.tensor = images.data.data() + first * 3 * height * width;
    part.count = std::min(kBatchCap, count - first);
    part.height = height;
    part.width = width;
    const Features features = network().encode(part, cancel);
    const Decoded decoded = network().decode(features, cancel);
    Maps maps = network().maps(features, decoded, height, width);

    const std::vector<int64_t> shape = {part.count, features.rows * features.cols, config_.encoder.dim};
    for (size_t group = 0; group < groups; ++group) {
      append(result.encoder[group], toHost(features.groups[group], shape));
      append(result.decoder[group], toHost(decoded.groups[group], shape));
    }
    append(result.maps, {std::move(maps.maps), {part.count, kMapSide, kMapSide}});
    result.scores.insert(result.scores.end(), maps.scores.begin(), maps.scores.end());
  }
  return result;
}

}  // namespace dinomaly
