// The quantile of a stream, against sorting everything.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "core/philox.h"
#include "session/top_quantile.h"

using namespace dinomaly;

namespace {

/// numpy.percentile's linear interpolation, over all values.
double bruteForce(std::vector<float> values, double quantile) {
  std::sort(values.begin(), values.end());
  const double index = static_cast<double>(values.size() - 1) * quantile;
  const auto lower = static_cast<size_t>(index), upper = std::min(lower + 1, values.size() - 1);
  const double a = values[lower], b = values[upper];
  return a + (b - a) * (index - std::floor(index));
}

std::vector<float> random(size_t count, uint32_t seed) {
  std::vector<float> values(count);
  for (size_t i = 0; i < count; ++i)
    values[i] = uniform(philox({static_cast<uint32_t>(i), 0, 0, 0}, seed, 0)[0]) - 0.5f;
  return values;
}

double streamed(const std::vector<float>& values, double quantile, size_t kept) {
  TopQuantile top(quantile, kept);
  for (size_t i = 0; i < values.size(); i += 1000)
    top.add(values.data() + i, std::min<size_t>(1000, values.size() - i));
  CHECK(top.count() == values.size());
  return top.value();
}

}  // namespace

TEST_CASE("the quantile of a stream is that of all its values") {
  for (const size_t count : {1, 2, 3, 999, 1000, 1001, 30000, 100000}) {
    CAPTURE(count);
    std::vector<float> values = random(count, 7);
    CHECK(streamed(values, 0.999, 102) == doctest::Approx(bruteForce(values, 0.999)).epsilon(1e-15));
    // Rising, so that what was kept first is given up again, and falling, so that what comes later is not.
    std::sort(values.begin(), values.end());
    CHECK(streamed(values, 0.999, 102) == doctest::Approx(bruteForce(values, 0.999)).epsilon(1e-15));
    std::reverse(values.begin(), values.end());
    CHECK(streamed(values, 0.999, 102) == doctest::Approx(bruteForce(values, 0.999)).epsilon(1e-15));
  }
}

TEST_CASE("the quantile of equal values is their value") {
  CHECK(streamed(std::vector<float>(50000, 0.25f), 0.999, 52) == 0.25);
}

TEST_CASE("beyond its capacity it is the smallest value kept") {
  std::vector<float> values = random(50000, 3);
  const double found = streamed(values, 0.999, 20);
  std::sort(values.begin(), values.end());
  CHECK(found == values[values.size() - 20]);
}

TEST_CASE("a quantile may be asked for in between") {
  const std::vector<float> values = random(40000, 5);
  TopQuantile top(0.999, 42);
  top.add(values.data(), 10000);
  CHECK(top.value() == doctest::Approx(bruteForce({values.begin(), values.begin() + 10000}, 0.999)).epsilon(1e-15));
  top.add(values.data() + 10000, 30000);
  CHECK(top.value() == doctest::Approx(bruteForce(values, 0.999)).epsilon(1e-15));
}

TEST_CASE("the quantile of nothing, or of a NaN among values, is NaN") {
  CHECK(std::isnan(TopQuantile(0.999).value()));
  std::vector<float> values = random(30000, 1);
  values[12345] = std::numeric_limits<float>::quiet_NaN();
  CHECK(std::isnan(streamed(values, 0.999, 32)));
}
