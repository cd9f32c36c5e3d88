#include <doctest/doctest.h>

#include <vector>

#include "backend/cpu/cpu_backend.h"
#include "noise.h"

using dinomaly::CpuBackend;
using dinomaly::CpuPrecision;
using dinomaly::noise;

TEST_CASE("a row's layer norm has the same bits alone and among others, in whole vectors or not") {
  constexpr int64_t kRows = 23;
  CpuBackend backend(1, CpuPrecision::f32);
  for (const int64_t dim : {384, 40, 33, 13, 7}) {
    CAPTURE(dim);
    const std::vector<float> x = noise(kRows * dim, 1), weight = noise(dim, 2), bias = noise(dim, 3);
    const auto normalised = [&](int64_t first, int64_t rows) {
      std::vector<float> y(static_cast<size_t>(rows * dim));
      backend.layerNorm(y.data(), nullptr, nullptr, x.data() + first * dim, weight.data(), bias.data(), rows, dim,
                        1e-6f);
      return y;
    };
    const std::vector<float> together = normalised(0, kRows);
    for (int64_t r = 0; r < kRows; ++r) {
      const auto row = together.begin() + r * dim;
      CHECK(normalised(r, 1) == std::vector<float>(row, row + dim));
    }
  }
}
