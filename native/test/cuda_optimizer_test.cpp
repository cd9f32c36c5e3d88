// Gradient norm and StableAdamW's kernels on the emulated device against the plain backend.
#include <string>

#include "backend/cuda/optimizer.h"
#include "cuda_support.h"
#include "plain_backend.h"

using namespace dinomaly;
using namespace dinomaly::cuda;

namespace {

using Floats = std::vector<float>;

constexpr double kClipNorm = 60;

/// Values, `offset` elements behind the beginning of an allocation that ends with them.
template <typename T>
struct Array {
  int64_t offset;
  std::vector<T> values;

  Array(const std::vector<T>& from, int64_t by) : offset(by), values(static_cast<size_t>(by)) {
    values.insert(values.end(), from.begin(), from.end());
  }
  T* data() { return values.data() + offset; }
  std::vector<T> plain() const { return std::vector<T>(values.begin() + offset, values.end()); }
};

struct State {
  Floats p, m, v, vmax, g;
};

constexpr int kNone = -1, kAll = 6;  // which arrays of a tensor lie an element off

struct DeviceTensor {
  Array<float> p, m, v, vmax, g;
  Array<bf16> rounded;  // empty: not wanted

  DeviceTensor(const State& s, int off, bool withRounded)
      : p(s.p, off == 0 || off == kAll),
        m(s.m, off == 1 || off == kAll),
        v(s.v, off == 2 || off == kAll),
        vmax(s.vmax, off == 3 || off == kAll),
        g(s.g, off == 4 || off == kAll),
        rounded(std::vector<bf16>(withRounded ? s.p.size() : 0), off == 5 || off == kAll) {}
};

/// All tensors, with what a caller keeps in device memory.
struct Device {
  std::vector<DeviceTensor> arrays;
  std::vector<OptimizerTensor> tensors;
  std::vector<int32_t> chunkTensors;
  std::vector<double> partials;
  Step step;

  explicit Device(const std::vector<State>& states, int off = kNone) {
    for (const State& s : states) arrays.emplace_back(s, off, arrays.size() % 3 != 1);
    for (DeviceTensor& a : arrays) {
      const auto size = static_cast<int64_t>(a.p.plain().size());
      bf16* const rounded = a.rounded.plain().empty() ? nullptr : a.rounded.data();
      tensors.push_back({a.p.data(), a.m.data(), a.v.data(), a.vmax.data(), a.g.data(), rounded, size, -1});
    }
    chunkTensors = assignChunks(tensors);
    partials.resize(static_cast<size_t>(optimizerPartials(table().chunkCount, table().tensorCount)), NAN);
  }

  OptimizerTable table() const {
    return {tensors.data(), chunkTensors.data(), static_cast<int64_t>(tensors.size()),
            static_cast<int64_t>(chunkTensors.size())};
  }

  void train(const StepNumbers& numbers, double loss = 0.5) {
    step.numbers = numbers;
    beginStep(Stream(), &step);
    step.outcome.loss = loss;
    gradientNorm(Stream(), &step, table(), partials.data());
    stableAdamW(Stream(), table(), partials.data());
  }

  /// Everything that a step may change, one after the other.
  Floats everything() const {
    Floats all;
    for (const DeviceTensor& a : arrays) {
      for (const Array<float>* array : {&a.p, &a.m, &a.v, &a.vmax}) {
        const Floats values = array->plain();
        all.insert(all.end(), values.begin(), values.end());
      }
      const Floats rounded = floats(a.rounded.plain());
      all.insert(all.end(), rounded.begin(), rounded.end());
    }
    return all;
  }
};

/// Training that has gone on for a while.
std::vector<State> begin(const std::vector<int64_t>& sizes) {
  std::vector<State> states;
  uint32_t seed = 1;
  for (const int64_t size : sizes) {
    State s{noise(size, seed), noise(size, seed + 1), noise(size, seed + 2), {}, noise(size, seed + 3)};
    for (float& x : s.m) x *= 0.05f;
    for (float& x : s.v) x = 0.01f * x * x;
    s.vmax = s.v;
    for (size_t i = 0; i < s.vmax.size(); i += 3) s.vmax[i] *= 2;
    states.push_back(std::move(s));
    seed += 4;
  }
  return states;
}

double plainNorm(const std::vector<State>& states) {
  double squares = 0;
  for (const State& s : states) {
    squares += makePlainBackend()->squaredNorm(s.g.data(), static_cast<int64_t>(s.g.size()));
  }
  return std::sqrt(squares);
}

void plainStep(std::vector<State>& states, const StepNumbers& numbers, double norm) {
  OptimizerStep step{};
  step.learningRate = numbers.learningRate;
  step.beta1 = numbers.beta1;
  step.beta2 = numbers.beta2;
  step.eps = numbers.eps;
  step.weightDecay = numbers.weightDecay;
  step.gradientScale = std::min(1.0, numbers.clipNorm / (norm + 1e-6));
  step.t = numbers.t;
  for (State& s : states) {
    if (s.p.empty()) continue;
    makePlainBackend()->stableAdamW(s.p.data(), s.m.data(), s.v.data(), s.vmax.data(), s.g.data(),
                                    static_cast<int64_t>(s.p.size()), step);
  }
}

StepNumbers numbersOf(int64_t t, double clipNorm = kClipNorm) {
  StepNumbers numbers;
  numbers.iteration = static_cast<uint32_t>(100 + t);
  numbers.learningRate = 0.02 / static_cast<double>(t);
  numbers.weightDecay = 0.1;
  numbers.clipNorm = clipNorm;
  numbers.t = t;
  return numbers;
}

void compare(const std::vector<DeviceTensor>& arrays, const std::vector<State>& expected) {
  REQUIRE(arrays.size() == expected.size());
  for (size_t i = 0; i < expected.size(); ++i) {
    CAPTURE(i);
    const DeviceTensor& found = arrays[i];
    CHECK(difference(found.p.plain(), expected[i].p) <= 1e-6f);
    CHECK(difference(found.m.plain(), expected[i].m) <= 1e-6f);
    CHECK(difference(found.v.plain(), expected[i].v) <= 1e-6f);
    CHECK(difference(found.vmax.plain(), expected[i].vmax) <= 1e-6f);
    const std::vector<bf16> rounded = found.rounded.plain();
    if (!rounded.empty()) CHECK(sameBits(floats(rounded), floats(as<bf16>(found.p.plain()))));
  }
}

const std::vector<int64_t> kSizes{1, 33, kOptimizerChunk, 0, 16384, 20011, 7};

}  // namespace

TEST_CASE("chunks are numbered from the first tensor to the last") {
  Device device(begin(kSizes));
  std::vector<int64_t> firsts;
  for (const OptimizerTensor& t : device.tensors) firsts.push_back(t.firstChunk);
  CHECK(firsts == std::vector<int64_t>{0, 1, 2, 3, 3, 5, 8});
  CHECK(device.chunkTensors == std::vector<int32_t>{0, 1, 2, 4, 4, 5, 5, 5, 6});
}

TEST_CASE("CUDA's optimiser agrees with plain loops over several steps of many tensors") {
  // Gradients that grow and shrink, so that the norm is clipped or not, rms is above and below 1, and vmax stays or
  // moves.
  const float growth[] = {1, 0.01f, 10, 0.1f, 1};
  std::vector<State> expected = begin(kSizes);
  Device device(expected), shifted(expected, kAll);
  bool clipped = false, unclipped = false;
  for (int64_t t = 1; t <= 5; ++t) {
    CAPTURE(t);
    uint32_t seed = static_cast<uint32_t>(100 * t);
    for (size_t i = 0; i < expected.size(); ++i) {
      Floats& g = expected[i].g;
      g = noise(static_cast<int64_t>(g.size()), seed++);
      for (float& x : g) x *= growth[t - 1];
      std::copy(g.begin(), g.end(), device.arrays[i].g.data());
      std::copy(g.begin(), g.end(), shifted.arrays[i].g.data());
    }
    StepNumbers numbers = numbersOf(t, t == 3 ? 1e9 : kClipNorm);
    if (t == 4) numbers.beta1 = 0.8, numbers.beta2 = 0.99, numbers.eps = 1e-3;
    const double norm = plainNorm(expected);
    (norm > numbers.clipNorm ? clipped : unclipped) = true;
    plainStep(expected, numbers, norm);
    device.train(numbers);
    shifted.train(numbers);
    CHECK(device.step.outcome.failed == -1);
    CHECK(device.step.outcome.loss == 0.5);
    CHECK(std::abs(device.step.outcome.gradientNorm / norm - 1) <= 1e-7);
    compare(device.arrays, expected);
    CHECK(device.step.outcome.gradientNorm == shifted.step.outcome.gradientNorm);
    CHECK(sameBits(device.everything(), shifted.everything()));
  }
  CHECK((clipped && unclipped));
}

TEST_CASE("CUDA's optimiser takes arrays that lie anywhere") {
  const std::vector<State> states = begin({33, 4099, 2048});
  Device aligned(states);
  aligned.train(numbersOf(2));
  for (int off = 0; off < kAll; ++off) {
    CAPTURE(off);
    Device shifted(states, off);
    shifted.train(numbersOf(2));
    CHECK(sameBits(shifted.everything(), aligned.everything()));
  }
}

TEST_CASE("CUDA's optimiser gives the same bits in every order of threads and blocks") {
  const std::vector<State> states = begin({5, 20011, 33});
  inEveryOrder<float>([&] {
    Device device(states);
    device.train(numbersOf(2));
    device.train(numbersOf(3));
    Floats all = device.everything();
    all.push_back(static_cast<float>(device.step.outcome.gradientNorm));
    return all;
  });
}

TEST_CASE("CUDA's optimiser changes nothing where the norm or the loss is not finite") {
  for (const float bad : {NAN, INFINITY, -INFINITY}) {
    for (const size_t tensor : {1u, 5u}) {
      std::vector<State> states = begin(kSizes);
      states[tensor].g.back() = bad;
      Device device(states);
      const Floats before = device.everything();
      device.train(numbersOf(1));
      CHECK(device.step.outcome.failed == 101);
      CHECK(!std::isfinite(device.step.outcome.gradientNorm));
      CHECK(sameBits(device.everything(), before));
    }
    Device device(begin(kSizes));
    const Floats before = device.everything();
    device.train(numbersOf(1), bad);
    CHECK(device.step.outcome.failed == 101);
    CHECK(std::isfinite(device.step.outcome.gradientNorm));
    CHECK(sameBits(device.everything(), before));
  }
}

TEST_CASE("CUDA's optimiser stands still from a failed step on until that is cleared") {
  std::vector<State> states = begin(kSizes);
  Device device(states);
  device.train(numbersOf(1));
  CHECK(device.step.outcome.failed == -1);
  const Floats before = device.everything();
  device.train(numbersOf(2), NAN);
  device.train(numbersOf(3));        // sound
  device.train(numbersOf(4), -NAN);  // not the first
  CHECK(device.step.outcome.failed == 102);
  CHECK(sameBits(device.everything(), before));
  device.step.outcome.failed = -1;
  device.train(numbersOf(2));
  plainStep(states, numbersOf(1), plainNorm(states));
  plainStep(states, numbersOf(2), plainNorm(states));
  compare(device.arrays, states);

  StepNumbers first = numbersOf(1);
  first.iteration = 0;
  device.train(first, NAN);
  CHECK(device.step.outcome.failed == 0);
  const Floats then = device.everything();
  device.train(numbersOf(2));
  CHECK(sameBits(device.everything(), then));
}

TEST_CASE("CUDA's optimiser corrects by powers as the CPU does, late in training too") {
  for (const int64_t t : {1, 2, 999, 10000, 2000000}) {
    CAPTURE(t);
    std::vector<State> expected = begin({4099});
    Device device(expected);
    device.train(numbersOf(t));
    plainStep(expected, numbersOf(t), plainNorm(expected));
    compare(device.arrays, expected);
  }
}

TEST_CASE("CUDA's optimiser takes no tensors, and empty ones") {
  for (const std::vector<int64_t>& sizes : {std::vector<int64_t>{}, std::vector<int64_t>{0, 0}}) {
    Device device(begin(sizes));
    device.step.outcome.gradientNorm = -1;
    device.train(numbersOf(1));
    CHECK(device.step.outcome.gradientNorm == 0);
    CHECK(device.step.outcome.failed == -1);
  }
}
