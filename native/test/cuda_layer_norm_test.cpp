// LayerNorm's kernels on the emulated device, in f32 and bf16, against the plain backend.
#include <string>

#include "backend/cuda/layer_norm.h"
#include "cuda_support.h"
#include "plain_backend.h"

using namespace dinomaly;
using namespace dinomaly::cuda;

namespace {

constexpr float kEps = 1e-6f;

template <typename T>
void check(int64_t rows, int64_t dim, float tolerance) {
  CAPTURE(rows);
  CAPTURE(dim);
  const auto size = static_cast<size_t>(rows * dim);
  const std::vector<T> x = as<T>(noise(rows * dim, 1)), dy = as<T>(noise(rows * dim, 2)),
                       old = as<T>(noise(rows * dim, 3));
  const std::vector<float> weight = noise(dim, 4), bias = noise(dim, 5);
  std::vector<float> mean(static_cast<size_t>(rows)), rstd(mean);
  const std::vector<T> y = inEveryOrder<T>([&] {
    std::vector<T> result(size);
    layerNorm(Stream(), result.data(), mean.data(), rstd.data(), x.data(), weight.data(), bias.data(), rows, dim, kEps);
    return result;
  });
  const auto plain = makePlainBackend();
  std::vector<float> expected(size), expectedMean(mean), expectedRstd(rstd);
  const std::vector<float> wide = floats(x), wideDy = floats(dy);
  plain->layerNorm(expected.data(), expectedMean.data(), expectedRstd.data(), wide.data(), weight.data(), bias.data(),
                   rows, dim, kEps);
  CHECK(difference(floats(y), expected) <= tolerance);
  CHECK(difference(mean, expectedMean) <= 1e-5f);
  CHECK(difference(rstd, expectedRstd) <= 1e-5f);

  std::vector<float> dweight(static_cast<size_t>(dim)), dbias(dweight), expectedDweight(dweight),
      expectedDbias(dweight);
  const std::vector<T> dx = inEveryOrder<T>([&] {
    std::vector<T> result = old;
    std::vector<float> partials(static_cast<size_t>(layerNormPartials(rows, dim)));
    layerNormGradient(Stream(), result.data(), dweight.data(), dbias.data(), partials.data(), dy.data(), x.data(),
                      mean.data(), rstd.data(), weight.data(), rows, dim);
    return result;
  });
  std::vector<float> expectedDx = floats(old);
  plain->layerNormGradient(expectedDx.data(), expectedDweight.data(), expectedDbias.data(), wideDy.data(), wide.data(),
                           mean.data(), rstd.data(), weight.data(), rows, dim);
  CHECK(difference(floats(dx), expectedDx) <= tolerance);
  CHECK(difference(dweight, expectedDweight) <= 1e-5f);
  CHECK(difference(dbias, expectedDbias) <= 1e-5f);
}

/// Of floats, to bf16.
void checkWide(int64_t rows, int64_t dim) {
  CAPTURE(rows);
  CAPTURE(dim);
  const auto size = static_cast<size_t>(rows * dim);
  const std::vector<float> x = noise(rows * dim, 1), weight = noise(dim, 4), bias = noise(dim, 5);
  const std::vector<bf16> y = inEveryOrder<bf16>([&] {
    std::vector<bf16> result(size);
    layerNorm<bf16, float>(Stream(), result.data(), nullptr, nullptr, x.data(), weight.data(), bias.data(), rows, dim,
                           kEps);
    return result;
  });
  std::vector<float> exact(size);
  layerNorm<float, float>(Stream(), exact.data(), nullptr, nullptr, x.data(), weight.data(), bias.data(), rows, dim,
                          kEps);
  CHECK(sameBits(y, as<bf16>(exact)));
  std::vector<bf16> beside(size + 1);  // on no pack's boundary
  layerNorm<bf16, float>(Stream(), beside.data() + 1, nullptr, nullptr, x.data(), weight.data(), bias.data(), rows, dim,
                         kEps);
  beside.erase(beside.begin());
  CHECK(difference(floats(beside), exact) <= 4e-3f);
}

}  // namespace

TEST_CASE("CUDA's LayerNorm agrees with plain loops") {
  for (const int64_t rows : {1, 5, 67, 202}) {
    for (const int64_t dim : {33, 128, 384, 1024, 1032}) {
      check<float>(rows, dim, 1e-5f);
      check<bf16>(rows, dim, 4e-3f);  // half a step of bfloat16
    }
  }
}

TEST_CASE_TEMPLATE("CUDA's LayerNorm agrees with plain loops where a warp takes several rows for the gradient", T,
                   float, bf16) {
  check<T>(6339, 64, sizeof(T) == 2 ? 4e-3f : 1e-5f);
  check<T>(3170, 520, sizeof(T) == 2 ? 4e-3f : 1e-5f);
}

TEST_CASE("CUDA's LayerNorm of floats to bf16 is that to floats, rounded") {
  for (const int64_t rows : {1, 5, 67, 1060}) {
    for (const int64_t dim : {33, 132, 384, 768, 1024, 1032}) {
      if (rows * dim < 1000000) checkWide(rows, dim);
    }
  }
}
