// A training step: the loss, the optimiser, and what stepOutcome() tells, failed steps too.
#include <cmath>
#include <limits>

#include "table/cases.h"

namespace dinomaly::table {
namespace {

constexpr size_t kOfTensor = 5;  // operands: p, m, v, vmax, g
constexpr int64_t kSmall = 64;

StepNumbers numbersOf(uint32_t iteration, int64_t hardest = 1) {
  StepNumbers numbers;
  numbers.seed = 3;
  numbers.iteration = iteration;
  numbers.hardest = hardest;
  numbers.learningRate = 2e-3;
  numbers.t = iteration + 1;
  return numbers;
}

Operand positive(int64_t size, float scale) {
  Operand made = floats(Access::update, size, scale);
  made.values = [values = made.values](uint32_t seed) {
    std::vector<float> x = values(seed);
    for (float& v : x) v = std::abs(v);
    return x;
  };
  return made;
}

/// A parameter in training, appended to the operands.
void addTensor(std::vector<Operand>& to, int64_t size, float gradientScale = 1) {
  to.push_back(floats(Access::update, size));
  to.push_back(floats(Access::update, size));
  to.push_back(positive(size, 1));
  to.push_back(positive(size, 1.5f));  // some larger than v, some smaller
  to.push_back(floats(Access::read, size, gradientScale));
}

TrainedTensor tensorAt(const Placed& p, size_t first, int64_t size, int64_t offset = 0) {
  return {p.f(first) + offset,     p.f(first + 1) + offset, p.f(first + 2) + offset,
          p.f(first + 3) + offset, p.f(first + 4) + offset, size};
}

void put(Backend& b, float* to, double value) {
  const auto rounded = static_cast<float>(value);
  b.upload(to, &rounded, 1);
}

/// Loss, norm and failed iteration, in three operands of one number each.
void putOutcome(Backend& b, const Placed& p, size_t first) {
  const StepOutcome outcome = b.stepOutcome();
  put(b, p.f(first), outcome.loss);
  put(b, p.f(first + 1), outcome.gradientNorm);
  put(b, p.f(first + 2), static_cast<double>(outcome.failed));
}

void addOutcome(std::vector<Operand>& to) {
  for (int i = 0; i < 3; ++i) to.push_back(floats(Access::write, 1));
}

Case looseLoss(int64_t images, int64_t patches, int64_t dim, int64_t hardest, bool inPlace) {
  const int64_t size = images * patches * dim;
  Case c{inPlace ? "looseLoss in place" : "looseLoss",
         shapeText(images, patches, dim) + ", hardest " + std::to_string(hardest)};
  c.operands = {activations(inPlace ? Access::update : Access::write, size), activations(Access::read, size),
                activations(Access::read, inPlace ? 0 : size)};
  addOutcome(c.operands);
  addTensor(c.operands, kSmall);
  c.prepare = [=](Backend& b, const Placed& p) {
    const TrainedTensor tensor = tensorAt(p, 6, kSmall);
    b.setTrained(&tensor, 1);
    b.beginStep(numbersOf(4, hardest));
  };
  c.run = [=](Backend& b, const Placed& p) {
    b.looseLoss(p.e(0), p.e(1), p.e(inPlace ? 0 : 2), images, patches, dim, 0.5f);
  };
  c.finish = [](Backend& b, const Placed& p) {
    b.optimizerStep();
    putOutcome(b, p, 3);
  };
  c.tolerance = {1e-5};
  c.flops = 12.0 * static_cast<double>(size);
  c.source = "loss.cu";
  return c;
}

/// Of both groups, each with half of the step's loss.
Case twoGroups() {
  constexpr int64_t kImages = 2, kPatches = 20, kDim = 64, kSize = kImages * kPatches * kDim;
  Case c = looseLoss(kImages, kPatches, kDim, 7, false);
  c.operation = "looseLoss of two groups";
  c.operands.push_back(activations(Access::write, kSize));
  c.operands.push_back(activations(Access::read, kSize));
  c.run = [](Backend& b, const Placed& p) {
    b.looseLoss(p.e(0), p.e(1), p.e(2), kImages, kPatches, kDim, 0.5f);
    b.looseLoss(p.e(11), p.e(12), p.e(1), kImages, kPatches, kDim, 0.5f);
  };
  return c;
}

/// `gradientScale`: small ones are not clipped.
Case optimizerStep(uint32_t iteration, float gradientScale) {
  const std::vector<int64_t> sizes = {1, 64, 40000, 1021};
  Case c{"optimizerStep", "4 tensors, step " + std::to_string(iteration + 1) + ", gradients " +
                              (gradientScale < 1 ? "not clipped" : "clipped")};
  addOutcome(c.operands);
  for (int64_t size : sizes) addTensor(c.operands, size, gradientScale);
  c.run = [=](Backend& b, const Placed& p) {
    std::vector<TrainedTensor> tensors;
    for (size_t t = 0; t < sizes.size(); ++t) tensors.push_back(tensorAt(p, 3 + kOfTensor * t, sizes[t]));
    b.setTrained(tensors.data(), static_cast<int64_t>(tensors.size()));
    b.beginStep(numbersOf(iteration));
    b.optimizerStep();
    putOutcome(b, p, 0);
  };
  c.tolerance = {1e-6};
  c.source = "optimizer.cu";
  return c;
}

/// Steps 5 to 9, of which 6 and 7 fail: they and 8 change nothing, and 9, after the failure was told, trains again.
Case failedSteps(bool byGradient) {
  constexpr int64_t kImages = 1, kPatches = 4, kDim = 16, kSize = kImages * kPatches * kDim;
  constexpr size_t kOutcomes = 4, kTensor = 7, kBadGradient = 12;
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN(), kInfinity = std::numeric_limits<float>::infinity();
  std::vector<float> badMap(kSize, 0.5f), badGradient(kSmall, 0.5f);
  badMap[5] = kNan;
  badGradient[kSmall - 1] = kInfinity;
  Case c{"optimizerStep after a failed one", byGradient ? "infinite gradient" : "NaN in the loss"};
  c.operands = {activations(Access::update, kSize), activations(Access::read, kSize), activations(Access::read, kSize),
                given(Kind::activations, Access::read, badMap)};
  for (int i = 0; i < 3; ++i) c.operands.push_back(floats(Access::write, 1));
  addTensor(c.operands, kSmall);
  c.operands.push_back(given(Kind::floats, Access::read, badGradient));
  c.run = [=](Backend& b, const Placed& p) {
    TrainedTensor good = tensorAt(p, kTensor, kSmall), bad = good;
    bad.g = p.f(kBadGradient);
    const auto step = [&](uint32_t iteration, bool fails) {
      b.setTrained(fails && byGradient ? &bad : &good, 1);
      b.beginStep(numbersOf(iteration, 2));
      // A loss that is not finite leaves the gradient of the step before.
      b.looseLoss(p.e(0), p.e(fails && !byGradient ? 3 : 1), p.e(2), kImages, kPatches, kDim, 1.0f);
      b.optimizerStep();
    };
    step(5, false);
    step(6, true);
    step(7, true);
    step(8, false);
    put(b, p.f(kOutcomes), static_cast<double>(b.stepOutcome().failed));
    put(b, p.f(kOutcomes + 1), static_cast<double>(b.stepOutcome().failed));
    step(9, false);
    put(b, p.f(kOutcomes + 2), b.stepOutcome().gradientNorm);
  };
  c.tolerance = {1e-6};
  c.source = "optimizer.cu";
  return c;
}

/// Three steps of one linear layer: each must see the weight and bias that the one before wrote, and so must whoever
/// uses it before and after training. `late`: the layer's first use comes after a step.
Case trainedLinear(int64_t in, bool late) {
  constexpr int64_t kRows = 12, kOut = 24;
  constexpr size_t kResult = 4, kWeight = 7, kBias = 12;  // both followed by their moments and gradient
  constexpr size_t kBefore = 17, kAfter = 18;
  Case c{std::string("a linear layer in training") + (late ? ", used late" : ""), shapeText(kRows, in, kOut)};
  c.operands = {activations(Access::write, kRows * kOut), activations(Access::write, kRows * kOut),
                activations(Access::read, kRows * in), activations(Access::read, kRows * kOut)};
  addOutcome(c.operands);
  // The denominator is of the gradient's size: what tiny gradients do must not depend on their sign alone.
  const std::vector<float> starts = {0, 0, 1e-8f};
  c.operands.push_back(weight(Access::update, in, kOut));
  for (const float start : starts) c.operands.push_back(evenWeight(Access::update, in, kOut, start));
  c.operands.push_back(weight(late ? Access::update : Access::write, in, kOut));
  c.operands.push_back(floats(Access::update, kOut));
  for (const float start : starts) {
    c.operands.push_back(given(Kind::floats, Access::update, std::vector<float>(kOut, start)));
  }
  c.operands.push_back(floats(late ? Access::update : Access::write, kOut));
  c.operands.push_back(activations(late ? Access::update : Access::write, kRows * kOut));
  c.operands.push_back(activations(Access::write, kRows * kOut));
  c.run = [=](Backend& b, const Placed& p) {
    const auto forward = [&](size_t to) { b.linear(p.e(to), p.e(2), p.f(kWeight), kRows, in, kOut, {p.f(kBias)}); };
    if (!late) forward(kBefore);
    const TrainedTensor tensors[] = {tensorAt(p, kWeight, in * kOut), tensorAt(p, kBias, kOut)};
    b.setTrained(tensors, 2);
    for (uint32_t iteration = 0; iteration < 3; ++iteration) {
      StepNumbers numbers = numbersOf(iteration, 5);
      numbers.learningRate = 0.1;
      b.beginStep(numbers);
      if (!late || iteration > 0) {
        forward(0);
        b.looseLoss(p.e(1), p.e(3), p.e(0), 1, kRows, kOut, 1.0f);
        b.linearWeightGradient(p.f(kWeight + 4), p.f(kBias + 4), p.e(1), p.e(2), kRows, in, kOut);
      }
      b.optimizerStep();
    }
    forward(0);
    putOutcome(b, p, kResult);
    b.setTrained(nullptr, 0);
    forward(kAfter);
  };
  c.tolerance = {1e-5, 5e-3, 1e-2, 1e-2};
  c.products = true;
  c.source = "optimizer.cu";
  return c;
}

/// The network's own trained weights: eight decoder blocks and the bottleneck.
Case networkStep(const Network& n) {
  const int64_t square = n.dim * n.dim;
  std::vector<int64_t> sizes = {4 * square, 4 * square};
  for (int block = 0; block < 8; ++block) {
    for (int64_t size : {3 * square, square, 4 * square, 4 * square}) sizes.push_back(size);
  }
  int64_t all = 0;
  for (int64_t size : sizes) all += size;
  Case c{"optimizerStep", std::to_string(sizes.size()) + " tensors, " + std::to_string(all) + " values"};
  addTensor(c.operands, all);
  c.prepare = [=](Backend& b, const Placed& p) {
    std::vector<TrainedTensor> tensors;
    int64_t offset = 0;
    for (int64_t size : sizes) {
      tensors.push_back(tensorAt(p, 0, size, offset));
      offset += size;
    }
    b.setTrained(tensors.data(), static_cast<int64_t>(tensors.size()));
    b.beginStep(numbersOf(1));
  };
  c.run = [](Backend& b, const Placed&) { b.optimizerStep(); };
  c.flops = 25.0 * static_cast<double>(all);
  c.source = "optimizer.cu";
  return c;
}

}  // namespace

Cases stepCases() {
  Cases all = {twoGroups(),
               looseLoss(1, 1, 64, 1, false),
               looseLoss(2, 5, 64, 3, true),
               looseLoss(1, 400, 32, 40, false),
               optimizerStep(0, 1),
               optimizerStep(6, 1),
               optimizerStep(6, 1e-5f),
               failedSteps(false),
               failedSteps(true),
               trainedLinear(32, false),
               trainedLinear(32, true),
               trainedLinear(130, false),
               trainedLinear(588, false)};
  for (int64_t hardest : {1, 40, 105}) all.push_back(looseLoss(3, 35, 130, hardest, false));
  return all;
}

Cases stepCases(const Network& n) {
  const int64_t points = n.images * n.patches();
  return {looseLoss(n.images, n.patches(), n.dim, points / 10, false), networkStep(n)};
}

}  // namespace dinomaly::table
