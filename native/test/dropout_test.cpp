#include <doctest/doctest.h>

#include <algorithm>
#include <vector>

#include "backend/backend.h"

using namespace dinomaly;

namespace {

constexpr int64_t kRows = 256, kDim = 1024, kSize = kRows * kDim;

struct Draw {
  uint64_t seed;
  uint32_t iteration, place;
};

/// What a rate of 0.2 leaves of ones.
std::vector<float> drawn(Backend& backend, const Draw& draw) {
  std::vector<float> values(kSize, 1.0f);
  const Buffer ones = backend.allocate(kSize);
  const Activations x = backend.allocateActivations(kSize);
  backend.upload(ones.get(), values.data(), kSize);
  backend.toElements(x.get(), ones.get(), kSize);
  StepNumbers numbers;
  numbers.seed = draw.seed;
  numbers.iteration = draw.iteration;
  backend.beginStep(numbers);
  backend.dropout(x.get(), x.get(), kRows, kDim, {0.2f, draw.place});
  backend.download(values.data(), x.get(), kSize);
  return values;
}

}  // namespace

TEST_CASE("dropout keeps the share that it should, and other iterations, places and seeds draw other numbers") {
  const auto cpu = makeCpuBackend(2);
  const std::vector<float> first = drawn(*cpu, {1, 0, 0});
  const auto kept = std::count(first.begin(), first.end(), 1.25f), lost = std::count(first.begin(), first.end(), 0.0f);
  CHECK(kept + lost == kSize);
  CHECK(static_cast<double>(lost) / kSize == doctest::Approx(0.2).epsilon(0.02));  // 5 standard deviations
  CHECK(drawn(*cpu, {1, 0, 0}) == first);
  for (const Draw& other : {Draw{2, 0, 0}, Draw{1, 1, 0}, Draw{1, 0, 1}}) {
    const std::vector<float> second = drawn(*cpu, other);
    int64_t both = 0;
    for (size_t i = 0; i < first.size(); ++i) both += first[i] == 0 && second[i] == 0;
    CHECK(static_cast<double>(both) / kSize == doctest::Approx(0.04).epsilon(0.05));  // independent
  }
}
