// What CUDA's kernels do element by element (GELU at every value: cuda_gelu_test.cpp), on the emulated device, in f32
// and bf16, against the plain backend.
#include <limits>

#include "backend/cuda/elementwise.h"
#include "core/philox.h"
#include "cuda_support.h"
#include "plain_backend.h"

using namespace dinomaly;
using namespace dinomaly::cuda;

namespace {

constexpr float kHalfStep = 4e-3f;  // of bfloat16

std::vector<float> wideNoise(int64_t size, uint32_t seed) {
  std::vector<float> values = noise(size, seed);
  for (float& v : values) v *= 12;  // into GELU's tails
  values[0] = 1;                    // what differences are measured by, even alone
  return values;
}

template <typename T>
void checkGelu(int64_t size, float tolerance) {
  CAPTURE(size);
  const auto count = static_cast<size_t>(size);
  const std::vector<T> x = as<T>(wideNoise(size, 1));
  const std::vector<float> wide = floats(x);
  const auto plain = makePlainBackend();
  std::vector<float> expected(count);

  const std::vector<T> y = inEveryOrder<T>([&] {
    std::vector<T> result(count);
    gelu(Stream(), result.data(), x.data(), size);
    return result;
  });
  plain->gelu(expected.data(), wide.data(), size);
  CHECK(difference(floats(y), expected) <= tolerance);
  CHECK(sameBits(besideBoundary(x, [&](T* data) { gelu(Stream(), data, data, size); }), y));
}

/// `count` tensors of `rows` rows `gap` apart. Each launch of kernels adds seven or eight.
template <typename T>
void checkSum(size_t count, int64_t rows, int64_t size, int64_t gap) {
  CAPTURE(count);
  CAPTURE(rows);
  CAPTURE(size);
  CAPTURE(gap);
  const int64_t stride = size + gap;
  std::vector<std::vector<T>> xs;
  std::vector<Term<T>> terms;
  for (size_t k = 0; k < count; ++k) {
    xs.push_back(as<T>(noise(rows * stride, static_cast<uint32_t>(k + 1))));
    terms.push_back({xs.back().data(), 0.1f * static_cast<float>(k + 1), stride});
  }
  std::vector<float> expected;
  for (int64_t i = 0; i < rows * stride; ++i) {
    double sum = 0;
    for (size_t k = 0; k < count; ++k) sum += double{terms[k].weight} * toFloat(xs[k][static_cast<size_t>(i)]);
    expected.push_back(i % stride < size ? static_cast<float>(sum) : toFloat(xs[0][static_cast<size_t>(i)]));
  }
  const float launches = count <= 8 ? 1.0f : 1.0f + std::ceil(static_cast<float>(count - 8) / 7);
  const std::vector<T> onto = inEveryOrder<T>([&] {  // the first, so that what lies between rows is there too
    std::vector<T> y = xs[0];
    std::vector<Term<T>> from = terms;
    from[0].x = y.data();
    weightedSum(Stream(), y.data(), stride, from, rows, size);
    return y;
  });
  CHECK(difference(floats(onto), expected) <= (sizeof(T) == 2 ? kHalfStep : 1e-6f) * launches);
  const auto run = [&](T* y) { weightedSum(Stream(), y, stride, terms, rows, size); };
  std::vector<T> apart = xs[0];
  run(apart.data());
  CHECK(sameBits(apart, onto));
  CHECK(sameBits(besideBoundary(xs[0], run), onto));
  besideBoundary(xs[count - 1], [&](T* beside) {  // one term alone
    terms[count - 1].x = beside;
    run(apart.data());
  });
  CHECK(sameBits(apart, onto));
}

struct Place {
  float rate;
  uint64_t seed;
  uint32_t iteration, place;
};

template <typename T>
void checkDropout(int64_t rows, int64_t dim, const Place& d) {
  CAPTURE(rows);
  CAPTURE(dim);
  CAPTURE(d.rate);
  Step step;
  step.numbers.seed = d.seed;
  step.numbers.iteration = d.iteration;
  const auto run = [&](T* y, const T* from) { dropout(Stream(), y, from, rows, dim, d.rate, d.place, &step); };
  const std::vector<T> x = as<T>(noise(rows * dim, 1));
  std::vector<T> expected;
  const float keep = 1.0f / (1.0f - d.rate);  // as the CPU computes it: its bits
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t i = 0; i < dim; ++i) {
      const Philox4 words = philox({static_cast<uint32_t>(i / 4), static_cast<uint32_t>(r), d.iteration, d.place},
                                   static_cast<uint32_t>(d.seed), static_cast<uint32_t>(d.seed >> 32));
      const bool kept = uniform(words[static_cast<size_t>(i % 4)]) >= d.rate;
      expected.push_back(fromFloat<T>(kept ? toFloat(x[static_cast<size_t>(r * dim + i)]) * keep : 0.0f));
    }
  }
  const std::vector<T> apart = inEveryOrder<T>([&] {
    std::vector<T> result(x.size());
    run(result.data(), x.data());
    return result;
  });
  CHECK(sameBits(apart, expected));
  const std::vector<T> inPlace = inEveryOrder<T>([&] {
    std::vector<T> result = x;
    run(result.data(), result.data());
    return result;
  });
  CHECK(sameBits(inPlace, expected));
  CHECK(sameBits(besideBoundary(x, [&](T* data) { run(data, data); }), expected));
}

}  // namespace

TEST_CASE("CUDA's GELU agrees with plain loops") {
  for (const int64_t size : {1, 5, 8, 9, 2047, 2048, 4099, 20011}) {
    checkGelu<float>(size, 1e-6f);
    checkGelu<bf16>(size, kHalfStep);
  }
}

TEST_CASE_TEMPLATE("CUDA's weighted sums agree with plain loops, and leave alone what lies between rows", T, float,
                   bf16) {
  for (const size_t count : {1, 2, 8, 9, 15, 16}) {
    checkSum<T>(count, 1, 1024, 0);
    checkSum<T>(count, 3, 520, 8);
    checkSum<T>(count, 2, 33, 5);
    checkSum<T>(count, 2, 40, 1);
  }
  checkSum<T>(3, 1, 1, 0);
  checkSum<T>(3, 5, 2056, 0);
}

TEST_CASE("CUDA's dropout draws what the CPU draws, bit for bit") {
  const Place some{0.3f, 0x123456789abcull, 7, 1}, other{0.2f, 0xfedcba9876543210ull, 0xffffffffu, 2}, none{0, 5, 6, 0};
  for (const int64_t rows : {1, 5, 37}) {
    for (const int64_t dim : {1, 33, 128, 130, 384}) {
      checkDropout<float>(rows, dim, some);
      checkDropout<bf16>(rows, dim, some);
    }
  }
  for (const int64_t dim : {1021, 1536, 2056}) {  // more than one warp's part of a row
    checkDropout<float>(3, dim, other);
    checkDropout<bf16>(3, dim, other);
  }
  Place later = some;  // the same call of the next step
  ++later.iteration;
  checkDropout<float>(5, 130, later);
  checkDropout<float>(3, 130, none);
  checkDropout<bf16>(3, 384, none);
}

TEST_CASE("CUDA converts between float and bfloat16") {
  for (const int64_t size : {1, 3, 4, 7, 1027, 5000}) {
    CAPTURE(size);
    const std::vector<float> x = noise(size, 1);
    const std::vector<bf16> narrow = inEveryOrder<bf16>([&] {
      std::vector<bf16> result(x.size());
      convert(Stream(), result.data(), x.data(), size);
      return result;
    });
    for (size_t i = 0; i < x.size(); ++i) CHECK(std::abs(toFloat(narrow[i]) - x[i]) <= std::abs(x[i]) / 256);
    const std::vector<float> back = inEveryOrder<float>([&] {
      std::vector<float> result(x.size());
      convert(Stream(), result.data(), narrow.data(), size);
      return result;
    });
    CHECK(sameBits(back, floats(narrow)));
    std::vector<bf16> shifted(x.size() + 1);
    convert(Stream(), shifted.data() + 1, x.data(), size);
    CHECK(sameBits({shifted.begin() + 1, shifted.end()}, narrow));
    std::vector<float> wide(x.size());
    convert(Stream(), wide.data(), shifted.data() + 1, size);
    CHECK(sameBits(wide, back));
  }

  // Ties to even, infinity from what is too large, the one NaN from each.
  const float nan = std::numeric_limits<float>::quiet_NaN(), infinity = std::numeric_limits<float>::infinity();
  const float longNan = __uint_as_float(0xFF812345u);
  const std::vector<float> x = {1 + 0x1p-8f, 1 + 3 * 0x1p-8f, -1 - 0x1p-8f, 1 + 0x1p-8f + 0x1p-20f,
                                3.4e38f,     -infinity,       -0.0f,        nan,
                                -nan,        longNan};
  std::vector<bf16> y(x.size());
  convert(Stream(), y.data(), x.data(), static_cast<int64_t>(x.size()));
  const std::vector<float> expected = {1, 1 + 0x1p-6f, -1, 1 + 0x1p-7f, infinity, -infinity, 0};
  for (size_t i = 0; i < expected.size(); ++i) CHECK(toFloat(y[i]) == expected[i]);
  CHECK(std::signbit(toFloat(y[6])));
  for (size_t i = expected.size(); i < x.size(); ++i) CHECK(y[i].bits == 0x7FFF);
}
