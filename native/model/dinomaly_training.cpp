// Dinomaly's training: steps, and the optimiser's state.
#include <algorithm>
#include <string>
#include <utility>

#include "core/error.h"
#include "model/dinomaly.h"

namespace dinomaly {
namespace {

/// optimizer.<which>.<parameter>: PyTorch's names of the moments, and where they are kept.
constexpr std::pair<const char*, Buffer Parameter::*> kOptimizerState[] = {
    {"optimizer.exp_avg.", &Parameter::moment},
    {"optimizer.exp_avg_sq.", &Parameter::secondMoment},
    {"optimizer.max_exp_avg_sq.", &Parameter::maxSecondMoment},
};

}  // namespace

void Dinomaly::beginTraining() {
  const std::string idle = "decoder." + std::to_string(decoder_.reached()) + ".";  // and all after it
  std::vector<Parameter*> moving;
  for (Parameter& p : parameters_.all()) {
    if (!p.info.trainable) continue;
    if (p.info.name.compare(0, idle.size(), idle) == 0) break;
    moving.push_back(&p);
  }
  try {
    withAllMemory([&] {
      const auto place = [&](Buffer Parameter::*which) {
        const std::vector<Buffer> buffers = parameters_.allocateFor(moving);
        for (size_t i = 0; i < moving.size(); ++i) moving[i]->*which = buffers[i];
      };
      place(&Parameter::gradient);
      for (const auto& [name, state] : kOptimizerState) {
        place(state);
        for (Parameter* p : moving) backend_->zero((p->*state).get(), p->info.size());
      }
    });
  } catch (...) {  // memory ran out: what was made of it is of no use
    endTraining();
    throw;
  }
  std::vector<TrainedTensor> trained;
  for (const Parameter* p : moving) {
    trained.push_back({p->value.get(), p->moment.get(), p->secondMoment.get(), p->maxSecondMoment.get(),
                       p->gradient.get(), p->info.size()});
  }
  backend_->setTrained(trained.data(), static_cast<int64_t>(trained.size()));
  backend_->stepOutcome();  // what an earlier run left untold is none of this one's
  training_ = true;
}

void Dinomaly::endTraining() {
  forgetEncodings();
  forgetSteps();
  scoredAtOnce_ = backend_->imagesAtOnce();
  backend_->setTrained(nullptr, 0);
  for (Parameter& p : parameters_.all()) {
    p.gradient.reset();
    for (const auto& [name, state] : kOptimizerState) (p.*state).reset();
  }
  training_ = false;
}

Dinomaly::Step& Dinomaly::stepOf(const std::vector<const Features*>& parts) {
  const Features& first = *parts.at(0);
  int64_t images = 0;
  for (const Features* part : parts) {
    if (part->rows != first.rows || part->cols != first.cols) {
      throw Error("ERR_INVALID_ARGUMENT", "expected pictures of one size in a batch, found several");
    }
    images += part->images;
  }
  const ImageShape shape{images, first.rows, first.cols};
  const auto found = steps_.find(shape);
  if (found != steps_.end()) return found->second;
  if (steps_.size() == kMostRecordings) forgetSteps();
  return steps_[shape] = {++recordings_, passingFeatures(images, first.rows, first.cols)};
}

void Dinomaly::forgetSteps() {
  for (const auto& [shape, step] : steps_) backend_->forget(step.recording);
  steps_.clear();
}

void Dinomaly::trainStep(const std::vector<const Features*>& parts, int64_t iteration, const TrainingOptions& options,
                         const CancelToken& cancel) {
  if (!training_) throw Error("ERR_INTERNAL", "a training step outside of beginTraining and endTraining");
  cancel.check();
  withAllMemory([&] { startStep(parts, iteration, options, cancel); });
}

void Dinomaly::startStep(const std::vector<const Features*>& parts, int64_t iteration, const TrainingOptions& options,
                         const CancelToken& cancel) {
  const Step& step = stepOf(parts);
  join(step.batch, parts);
  const Schedule& schedule = options.schedule;
  const auto points = static_cast<double>(step.batch.images * step.batch.rows * step.batch.cols);
  StepNumbers numbers;
  numbers.seed = options.seed;
  numbers.iteration = static_cast<uint32_t>(iteration);
  numbers.hardest = std::max(int64_t{1}, static_cast<int64_t>(points * (1 - schedule.discardRateAt(iteration))));
  numbers.learningRate = learningRate_ = schedule.learningRateAt(iteration);
  numbers.weightDecay = options.weightDecay;
  numbers.clipNorm = options.clipNorm;
  numbers.t = iteration + 1;
  backend_->beginStep(numbers);
  backend_->run(step.recording, [&] { runStep(step.batch, cancel); });
}

void Dinomaly::runStep(const Features& batch, const CancelToken& cancel) {
  const int64_t dim = config_.encoder.dim, patches = batch.rows * batch.cols;
  const Shape shape = shapeOf(batch);
  Bottleneck::Tape noisy;
  Decoder::Tape tape;
  const Activations x = bottleneck_.train(*backend_, batch.mean, shape.rows(), noisy);
  cancel.check();
  std::vector<Activations> groups;
  std::vector<Element*> decoded;
  for (size_t g = 0; g < batch.groups.size(); ++g) {
    groups.push_back(backend_->allocateActivations(batch.images * patches * dim));
    decoded.push_back(groups.back().get());
  }
  decoder_.forward(*backend_, decoded, x, shape, patches, &tape, cancel);
  const float share = 1.0f / static_cast<float>(groups.size());
  for (size_t g = 0; g < groups.size(); ++g) {
    Element* const d = groups[g].get();  // the gradient takes the group's place
    backend_->looseLoss(d, batch.groups[g].get(), d, batch.images, patches, dim, share);
  }
  const Activations dx = decoder_.backward(*backend_, groups, shape, patches, tape, cancel);
  bottleneck_.backward(*backend_, dx, shape.rows(), noisy);
  cancel.check();
  backend_->optimizerStep();
}

StepResult Dinomaly::stepResult() {
  const StepOutcome outcome = backend_->stepOutcome();
  if (outcome.failed >= 0) {
    throw Error("ERR_LOSS_NOT_FINITE",
                "expected a finite loss and gradient in iteration " + std::to_string(outcome.failed) +
                    ", found NaN or infinity (loss of the last step " + std::to_string(outcome.loss) +
                    ", gradient norm " + std::to_string(outcome.gradientNorm) +
                    "); the weights are those of the iteration before: look for NaN in the pictures or weights, or "
                    "lower the learning rate");
  }
  return {outcome.loss, outcome.gradientNorm, learningRate_};
}

std::vector<ParameterInfo> Dinomaly::optimizerState() const {
  std::vector<ParameterInfo> infos;
  for (const auto& [prefix, state] : kOptimizerState) {
    for (const Parameter& p : parameters_.all()) {
      if (p.*state) infos.push_back({prefix + p.info.name, p.info.shape, true});
    }
  }
  return infos;
}

std::pair<const Parameter&, const Buffer&> Dinomaly::stateOf(const std::string& name) const {
  for (const auto& [prefix, state] : kOptimizerState) {
    const std::string start = prefix;
    if (name.compare(0, start.size(), start) != 0) continue;
    const Parameter& p = parameters_.at(name.substr(start.size()));
    if (p.*state) return {p, p.*state};
  }
  throw Error("ERR_INTERNAL", "the optimiser has no state " + name);
}

void Dinomaly::setOptimizerState(const std::string& name, const float* values) {
  const auto [parameter, state] = stateOf(name);
  parameters_.upload(parameter, state, values);
}

void Dinomaly::getOptimizerState(const std::string& name, float* values) const {
  const auto [parameter, state] = stateOf(name);
  parameters_.download(parameter, values, state);
}

std::vector<float> Dinomaly::gradient(const std::string& name) const {
  const Parameter& p = parameters_.at(name);
  std::vector<float> values(static_cast<size_t>(p.info.size()));
  parameters_.download(p, values.data(), p.gradient);
  return values;
}

}  // namespace dinomaly
