// CUDA's GELU and its backward pass on the emulated device, in f32 and bf16.
#include <limits>

#include "backend/cuda/column_sums.h"
#include "backend/cuda/elementwise.h"
#include "backend/cuda/gelu_backward.h"
#include "cuda_support.h"
#include "plain_backend.h"

using namespace dinomaly;
using namespace dinomaly::cuda;

namespace {

/// gelu() of each.
template <typename T>
std::vector<T> forward(const std::vector<T>& x) {
  std::vector<T> y(x.size());
  gelu(Stream(), y.data(), x.data(), static_cast<int64_t>(x.size()));
  return y;
}

/// What geluBackward() leaves.
template <typename T>
struct Backward {
  std::vector<T> act, dhidden;
  std::vector<float> db;

  Backward(std::vector<T> x, std::vector<T> dy, int64_t rows, int64_t dim)
      : act(std::move(x)), dhidden(std::move(dy)), db(static_cast<size_t>(dim)) {
    run(act.data(), dhidden.data(), rows, dim);
  }
  void run(T* x, T* dy, int64_t rows, int64_t dim) {
    std::vector<float> partials(static_cast<size_t>(columnSumPartials(rows, dim)), NAN);
    geluBackward(Stream(), x, dy, db.data(), partials.data(), rows, dim);
  }
};

template <typename T>
bool same(const Backward<T>& a, const Backward<T>& b) {
  return sameBits(a.act, b.act) && sameBits(a.dhidden, b.dhidden) && sameBits(a.db, b.db);
}

template <typename T>
void checkBackward(int64_t rows, int64_t dim) {
  CAPTURE(rows);
  CAPTURE(dim);
  const int64_t size = rows * dim;
  std::vector<float> values = noise(size, 1);
  for (float& v : values) v *= 12;  // into the tails
  values[0] = 1;                    // what differences are measured by, even alone
  const std::vector<T> x = as<T>(values), dy = as<T>(noise(size, 2));
  const Backward<T> found(x, dy, rows, dim);
  for (const emulated::Order order : {emulated::Order::backward, emulated::Order::shuffled}) {
    emulated::setOrder(order);
    CHECK(same(Backward<T>(x, dy, rows, dim), found));
    emulated::setOrder(emulated::Order::forward);
  }

  std::vector<float> act = floats(x), dhidden = floats(dy), db(found.db.size());
  makePlainBackend()->geluBackward(act.data(), dhidden.data(), db.data(), rows, dim);
  const float tolerance = sizeof(T) == 2 ? 4e-3f : 1e-6f;  // half a step of bfloat16
  CHECK(difference(floats(found.act), act) <= tolerance);
  CHECK(difference(floats(found.dhidden), dhidden) <= tolerance);

  CHECK(sameBits(found.act, forward(x)));
  std::vector<float> partials(static_cast<size_t>(columnSumPartials(rows, dim)), NAN);
  columnSums(Stream(), db.data(), partials.data(), found.dhidden.data(), rows, dim);
  CHECK(sameBits(found.db, db));

  Backward<T> beside = found;
  beside.act = besideBoundary(x, [&](T* shifted) {
    beside.dhidden = dy;
    beside.run(shifted, beside.dhidden.data(), rows, dim);
  });
  CHECK(same(beside, found));
  beside.dhidden = besideBoundary(dy, [&](T* shifted) {
    beside.act = x;
    beside.run(beside.act.data(), shifted, rows, dim);
  });
  CHECK(same(beside, found));
}

/// GELU and its slope at each of x.
template <typename T>
Backward<T> at(const std::vector<T>& x) {
  return {x, std::vector<T>(x.size(), fromFloat<T>(1.0f)), 1, static_cast<int64_t>(x.size())};
}

}  // namespace

TEST_CASE_TEMPLATE("CUDA's backward pass of GELU agrees with plain loops, and its sums with those of columns", T, float,
                   bf16) {
  for (const int64_t rows : {1, 7, 64, 65, 202}) {
    for (const int64_t dim : {1, 33, 40, 256, 264}) checkBackward<T>(rows, dim);
  }
  checkBackward<T>(1100, 24);
}

TEST_CASE_TEMPLATE("CUDA's GELU keeps what is far from zero, and NaN", T, float, bf16) {
  const float nan = std::numeric_limits<float>::quiet_NaN(), infinity = std::numeric_limits<float>::infinity();
  const std::vector<T> x = as<T>({-100, -20, -0.0f, 0, 20, 0x1p100f, -0x1p50f, infinity, nan});
  const Backward<T> found = at(x);
  const std::vector<float> alone = floats(forward(x));
  const std::vector<float> y = floats(found.act), slope = floats(found.dhidden);
  const std::vector<float> expected = {0, 0, 0, 0, 20, 0x1p100f, 0}, expectedSlope = {0, 0, 0.5f, 0.5f, 1, 1, 0};
  for (size_t i = 0; i < expected.size(); ++i) {
    CAPTURE(i);
    CHECK(y[i] == expected[i]);
    CHECK(alone[i] == expected[i]);
    CHECK(slope[i] == expectedSlope[i]);
  }
  CHECK(y[7] == infinity);
  CHECK(alone[7] == infinity);
  CHECK(std::isnan(y.back()));
  CHECK(std::isnan(alone.back()));
  CHECK(std::isnan(slope.back()));
}

TEST_CASE("CUDA's GELU and its slope in bfloat16 are off by little more than their rounding, at every value") {
  std::vector<bf16> x;
  for (unsigned bits = 0; bits <= 0xFFFF; ++bits) x.push_back({static_cast<uint16_t>(bits)});
  const Backward<bf16> there = at(x);
  CHECK(sameBits(there.act, forward(x)));
  constexpr double kRounding = 1.0 / 256;
  size_t wrong = 0, wrongSlopes = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    const double at = toFloat(x[i]), found = toFloat(there.act[i]), slope = toFloat(there.dhidden[i]);
    if (std::isnan(at)) {
      wrong += !std::isnan(found);
      wrongSlopes += !std::isnan(slope);
      continue;
    }
    const double tail = 0.5 * std::erfc(-at / std::sqrt(2.0));
    const double expected = std::isinf(at) ? std::max(at, 0.0) : at * tail;
    const double density = std::exp(-0.5 * at * at) / std::sqrt(2 * 3.14159265358979), product = at * density;
    const double expectedSlope = tail + (std::isfinite(product) ? product : 0);
    const double loosely = at < -3.5 ? 1e-3 : 1e-5;  // where values are small, and below -8 next to nothing
    wrong += !(found == expected || std::abs(found - expected) <= (kRounding + loosely) * std::abs(expected) + 1e-15);
    wrongSlopes += !(std::abs(slope - expectedSlope) <= kRounding * std::abs(expectedSlope) + 1e-5);
  }
  CHECK(wrong == 0);
  CHECK(wrongSlopes == 0);
}
