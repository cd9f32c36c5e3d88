#include "table/gradients.h"

#include "test/noise.h"

namespace dinomaly::table {
namespace {

constexpr int64_t kRows = 7, kIn = 24, kOut = 40;

/// Values that every precision holds.
std::vector<float> exact(int64_t size, uint32_t seed) {
  std::vector<float> values = noise(size, seed);
  for (float& v : values) v = roundedToBf16(v);
  return values;
}

/// An operand whose values come with the call.
Operand holding(Kind kind, const std::vector<float>& values, int64_t in = 0) {
  Operand made = given(kind, Access::update, values);
  made.in = in;
  return made;
}
Operand e(const std::vector<float>& values) {
  return holding(Kind::activations, values);
}
Operand f(const std::vector<float>& values) {
  return holding(Kind::floats, values);
}

std::vector<float> nothing(int64_t size) {
  return std::vector<float>(static_cast<size_t>(size));
}

Values after(Backend& backend, const std::vector<Operand>& operands, const Operation& operation) {
  const Placed placed(backend, operands, valuesOf(operands));
  operation(backend, placed);
  return placed.values();
}

Gradient linear() {
  const std::vector<float> dy = exact(kRows * kOut, 9);
  Gradient g{
      "linear",
      {activations(Access::read, kRows * kIn), weight(Access::read, kIn, kOut), floats(Access::read, kOut)},
      dy,
      [](Backend& b, const Values& x) {
        return after(
            b, {e(nothing(kRows * kOut)), e(x[0]), holding(Kind::weight, x[1], kIn), f(x[2])},
            [](Backend& back, const Placed& p) { back.linear(p.e(0), p.e(1), p.f(2), kRows, kIn, kOut, {p.f(3)}); })[0];
      },
      [dy](Backend& b, const Values& x) {
        Values found = after(
            b, {e(x[0]), holding(Kind::weight, x[1], kIn), f(x[2]), e(dy), e(x[0]), holding(Kind::weight, x[1], kIn)},
            [](Backend& back, const Placed& p) {
              back.linearInputGradient(p.e(0), p.e(3), p.f(5), kRows, kIn, kOut);
              back.linearWeightGradient(p.f(1), p.f(2), p.e(3), p.e(4), kRows, kIn, kOut);
            });
        found.resize(3);
        return found;
      }};
  g.products = true;
  return g;
}

/// Of what a linear layer gave, and of its bias, which is part of that: here 0.
Gradient gelu() {
  const std::vector<float> dy = exact(kRows * kOut, 9);
  return {"gelu",
          {activations(Access::read, kRows * kOut), given(Kind::floats, Access::read, nothing(kOut))},
          dy,
          [](Backend& b, const Values& x) {
            std::vector<float> biased = x[0];
            for (size_t i = 0; i < biased.size(); ++i) biased[i] += x[1][i % kOut];
            return after(b, {e(nothing(kRows * kOut)), e(biased)},
                         [](Backend& back, const Placed& p) { back.gelu(p.e(0), p.e(1), kRows * kOut); })[0];
          },
          [dy](Backend& b, const Values& x) {
            Values found = after(b, {e(dy), f(nothing(kOut)), e(x[0])}, [](Backend& back, const Placed& p) {
              back.geluBackward(p.e(2), p.e(0), p.f(1), kRows, kOut);
            });
            found.resize(2);
            return found;
          }};
}

Gradient dropout() {
  const std::vector<float> dy = exact(kRows * kOut, 9);
  const auto drop = [](Backend& b, const std::vector<float>& x) {
    return after(b, {e(x)}, [](Backend& back, const Placed& p) {
      StepNumbers numbers;
      numbers.seed = 5;
      numbers.iteration = 6;
      back.beginStep(numbers);
      back.dropout(p.e(0), p.e(0), kRows, kOut, {0.3f, 2});
    });
  };
  return {"dropout",
          {activations(Access::read, kRows * kOut)},
          dy,
          [drop](Backend& b, const Values& x) { return drop(b, x[0])[0]; },
          [drop, dy](Backend& b, const Values&) { return drop(b, dy); }};
}

Gradient layerNorm() {
  const std::vector<float> dy = exact(kRows * kOut, 9);
  return {"layerNorm",
          {activations(Access::read, kRows * kOut), floats(Access::read, kOut), floats(Access::read, kOut)},
          dy,
          [](Backend& b, const Values& x) {
            return after(b, {e(nothing(kRows * kOut)), e(x[0]), f(x[1]), f(x[2])}, [](Backend& back, const Placed& p) {
              back.layerNorm(p.e(0), nullptr, nullptr, p.e(1), p.f(2), p.f(3), kRows, kOut, 1e-6f, false);
            })[0];
          },
          [dy](Backend& b, const Values& x) {
            Values found = after(
                b,
                {e(nothing(kRows * kOut)), f(x[1]), f(x[2]), e(dy), e(x[0]), f(nothing(kRows)), f(nothing(kRows)),
                 f(x[1]), e(nothing(kRows * kOut))},
                [](Backend& back, const Placed& p) {
                  back.layerNorm(p.e(8), p.f(5), p.f(6), p.e(4), p.f(7), p.f(2), kRows, kOut, 1e-6f, false);
                  back.layerNormGradient(p.e(0), p.f(1), p.f(2), p.e(3), p.e(4), p.f(5), p.f(6), p.f(7), kRows, kOut);
                });
            found.resize(3);
            return found;
          }};
}

Gradient linearAttention() {
  constexpr int64_t kImages = 2, kTokens = 9, kHeads = 2, kHeadDim = 12, kSize = kImages * kTokens * kHeads * kHeadDim;
  const std::vector<float> dy = exact(kSize, 9);
  return {"linearAttention",
          {activations(Access::read, 3 * kSize)},
          dy,
          [](Backend& b, const Values& x) {
            return after(b, {e(nothing(kSize)), e(x[0])}, [](Backend& back, const Placed& p) {
              back.linearAttention(p.e(0), p.e(1), kImages, kTokens, kHeads, kHeadDim);
            })[0];
          },
          [dy](Backend& b, const Values& x) {
            return Values{after(b, {e(x[0]), e(dy), e(x[0])}, [](Backend& back, const Placed& p) {
              back.linearAttentionGradient(p.e(0), p.e(1), p.e(2), kImages, kTokens, kHeads, kHeadDim);
            })[0]};
          }};
}

/// With all points among the hardest: the factor of the easy ones is no derivative.
Gradient looseLoss() {
  constexpr int64_t kImages = 2, kPatches = 6, kDim = 16, kSize = kImages * kPatches * kDim;
  const std::vector<float> target = exact(kSize, 4);
  // dd, e, d, then a parameter that does not matter, and the loss.
  const auto step = [target](Backend& b, const std::vector<float>& d) {
    return after(b, {e(d), e(target), e(d), f({1}), f({0}), f({1}), f({1}), f({1}), f({0})},
                 [](Backend& back, const Placed& p) {
                   const TrainedTensor trained{p.f(3), p.f(4), p.f(5), p.f(6), p.f(7), 1};
                   back.setTrained(&trained, 1);
                   StepNumbers numbers;
                   numbers.hardest = kImages * kPatches;
                   back.beginStep(numbers);
                   back.looseLoss(p.e(0), p.e(1), p.e(2), kImages, kPatches, kDim, 1.0f);
                   back.optimizerStep();
                   const auto loss = static_cast<float>(back.stepOutcome().loss);
                   back.upload(p.f(8), &loss, 1);
                 });
  };
  return {"looseLoss without easy points",
          {activations(Access::read, kSize)},
          {1.0f},
          [step](Backend& b, const Values& x) { return step(b, x[0])[8]; },
          [step](Backend& b, const Values& x) { return Values{step(b, x[0])[0]}; }};
}

Gradient takePatches() {
  constexpr int64_t kImages = 2, kPatches = 6, kTokens = 9, kDim = 16, kSize = kImages * kPatches * kDim;
  const std::vector<float> dy = exact(kSize, 7);
  static constexpr float kWeights[] = {0.25f, -0.5f};
  return {"takePatches",
          {activations(Access::read, kImages * kTokens * kDim), activations(Access::read, kImages * kTokens * kDim)},
          dy,
          [](Backend& b, const Values& x) {
            return after(b, {e(nothing(kSize)), e(x[0]), e(x[1])}, [](Backend& back, const Placed& p) {
              const Element* const tokens[] = {p.e(1), p.e(2)};
              back.takePatches(p.e(0), tokens, kWeights, 2, kImages, kTokens, kPatches, kDim);
            })[0];
          },
          [dy](Backend& b, const Values& x) {
            const auto size = static_cast<int64_t>(x[0].size());
            Values found = after(b, {e(nothing(size)), e(nothing(size)), e(dy)}, [](Backend& back, const Placed& p) {
              for (const size_t i : {0, 1}) {
                back.putPatches(p.e(i), p.e(2), kWeights[i], kImages, kTokens, kPatches, kDim);
              }
            });
            found.resize(2);
            return found;
          }};
}

}  // namespace

std::vector<Gradient> gradients() {
  return {linear(), gelu(), dropout(), layerNorm(), linearAttention(), looseLoss(), takePatches()};
}

}  // namespace dinomaly::table
