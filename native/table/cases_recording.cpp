// Recorded work: repeated with new inputs and new numbers of the step, it gives the bits of the same calls unrecorded.
#include "table/cases.h"

namespace dinomaly::table {
namespace {

constexpr int64_t kImages = 3, kTokens = 5, kHeads = 2, kHeadDim = 32, kDim = kHeads * kHeadDim;
constexpr int64_t kRows = kImages * kTokens, kSize = kRows * kDim;
constexpr int64_t kRounds = 4;  // a device may record the second, and repeat it from then on

StepNumbers numbersOf(uint32_t iteration) {
  StepNumbers numbers;
  numbers.seed = 11;
  numbers.iteration = iteration;
  numbers.hardest = 2 + iteration;
  numbers.learningRate = 0.01 * (1 + iteration);
  numbers.t = iteration + 1;
  return numbers;
}

/// Products, attention and dropout, with memory that the work allocates itself.
Case forward() {
  constexpr size_t kInputs = 0, kRecorded = kRounds, kPlain = 2 * kRounds, kWeight = 3 * kRounds;
  constexpr size_t kX = kWeight + 1, kY = kX + 1, kZ = kY + 1;
  Case c{"run and forget, a forward pass", shapeText(kImages, kTokens, kDim)};
  for (int64_t i = 0; i < kRounds; ++i) c.operands.push_back(activations(Access::read, kSize));
  for (int64_t i = 0; i < 2 * kRounds; ++i) c.operands.push_back(activations(Access::write, kSize));
  c.operands.push_back(weight(Access::read, kDim, 3 * kDim));
  for (int i = 0; i < 3; ++i) c.operands.push_back(activations(Access::write, kSize));
  for (size_t i = 0; i < kRounds; ++i) c.same.emplace_back(kRecorded + i, kPlain + i);
  c.run = [](Backend& b, const Placed& p) {
    const auto mix = [&] {
      const Activations qkv = b.allocateActivations(3 * kSize), mixed = b.allocateActivations(kSize);
      b.linear(qkv.get(), p.e(kX), p.f(kWeight), kRows, kDim, 3 * kDim, {});
      b.linearAttention(mixed.get(), qkv.get(), kImages, kTokens, kHeads, kHeadDim);
      b.dropout(p.e(kY), mixed.get(), kRows, kDim, {0.4f, 2});
    };
    const auto finish = [&] { b.gelu(p.e(kZ), p.e(kY), kSize); };
    for (const bool recorded : {true, false}) {
      for (size_t i = 0; i < kRounds; ++i) {
        b.beginStep(numbersOf(static_cast<uint32_t>(i)));
        b.copy(p.e(kX), p.e(kInputs + i), kSize);
        if (recorded) {
          b.run(1, mix);
          b.run(2, finish);
        } else {
          mix();
          finish();
        }
        b.copy(p.e((recorded ? kRecorded : kPlain) + i), p.e(kZ), kSize);
      }
    }
    // Under an id that was forgotten other work can be recorded.
    b.forget(1);
    for (size_t input = kInputs; input < kRounds; ++input) {
      b.copy(p.e(kX), p.e(input), kSize);
      b.run(1, [&] {
        const Element* const both[] = {p.e(kY), p.e(kX)};
        const float weights[] = {1.0f, 2.0f};
        b.weightedSum(p.e(kY), both, weights, 2, kSize);
      });
    }
    b.forget(1);
    b.forget(2);
    b.forget(3);  // which never was
  };
  c.tolerance = {2e-5, 5e-3, 1e-2};  // in bf16 qkv and what is mixed of it are rounded too
  c.source = "linear.cu";
  c.products = true;
  return c;
}

/// The loss and the optimiser, on two equal tensors: one trained by a recording, one by plain calls.
Case step() {
  constexpr size_t kGradient = 2, kTensors = 3, kOf = 4;  // p, m, v, vmax; one gradient for both
  Case c{"run and forget, a training step", shapeText(kImages, kTokens, kDim)};
  c.operands = {activations(Access::read, kSize), activations(Access::read, kSize), floats(Access::read, kSize)};
  std::vector<float> start;
  for (int64_t i = 0; i < kSize; ++i) start.push_back(static_cast<float>(i % 17) / 8 - 1);
  for (int tensor = 0; tensor < 2; ++tensor) {
    c.operands.push_back(given(Kind::floats, Access::update, start));
    for (size_t i = 1; i < kOf; ++i)
      c.operands.push_back(given(Kind::floats, Access::update, std::vector<float>(kSize)));
  }
  for (int i = 0; i < 2; ++i) {
    c.operands.push_back(activations(Access::write, kSize));   // the loss's gradient
    c.operands.push_back(floats(Access::write, 2 * kRounds));  // losses and norms
  }
  for (size_t i = 0; i < kOf; ++i) c.same.emplace_back(kTensors + i, kTensors + kOf + i);
  for (size_t i = 0; i < 2; ++i) c.same.emplace_back(kTensors + 2 * kOf + i, kTensors + 2 * kOf + 2 + i);
  c.run = [](Backend& b, const Placed& p) {
    for (const size_t which : {0, 1}) {
      const size_t tensor = kTensors + kOf * which, results = kTensors + 2 * kOf + 2 * which;
      const TrainedTensor trained{p.f(tensor),     p.f(tensor + 1), p.f(tensor + 2),
                                  p.f(tensor + 3), p.f(kGradient),  kSize};
      b.setTrained(&trained, 1);
      const auto work = [&] {
        b.looseLoss(p.e(results), p.e(0), p.e(1), kImages, kTokens, kDim, 0.5f);
        b.optimizerStep();
      };
      std::vector<float> told;
      for (uint32_t i = 0; i < kRounds; ++i) {
        b.beginStep(numbersOf(i));
        if (which == 0) {
          b.run(1, work);
        } else {
          work();
        }
        const StepOutcome outcome = b.stepOutcome();
        told.push_back(static_cast<float>(outcome.loss));
        told.push_back(static_cast<float>(outcome.gradientNorm));
      }
      b.forget(1);
      b.upload(p.f(results + 1), told.data(), static_cast<int64_t>(told.size()));
    }
  };
  c.tolerance = {1e-5};
  c.source = "optimizer.cu";
  return c;
}

}  // namespace

Cases recordingCases() {
  return {forward(), step()};
}

}  // namespace dinomaly::table
