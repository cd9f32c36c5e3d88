#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "backend/cpu/attention_kernel.h"

namespace dinomaly {
namespace {

std::vector<AttentionKernel> kernels() {
  std::vector<AttentionKernel> all = {avx2Attention()};
  if (__builtin_cpu_supports("avx512f")) all.push_back(avx512Attention());
  return all;
}

/// From -`limit` to `limit`, in no order.
std::vector<float> spread(int64_t size, float limit) {
  std::vector<float> x(static_cast<size_t>(size));
  for (int64_t i = 0; i < size; ++i) {
    const auto step = static_cast<float>(i * 7919 % size);
    x[static_cast<size_t>(i)] = (2 * step / static_cast<float>(size - 1) - 1) * limit;
  }
  return x;
}

}  // namespace

TEST_CASE("attention's exponentials are 2^x against each row's largest, zero where far below, with the same bits") {
  constexpr int64_t kRows = 5, kColumns = 48, kScores = 41;
  constexpr float kScale = 1.5f;
  std::vector<float> scores = spread(kRows * kColumns, 60);
  for (int64_t i = 0; i < kRows; ++i) {
    float* const row = scores.data() + i * kColumns;
    std::fill(row + kScores, row + kColumns, -std::numeric_limits<float>::infinity());
  }
  std::vector<std::vector<float>> all;
  for (const AttentionKernel& kernel : kernels()) {
    std::vector<float> powers = scores, sums(kRows);
    kernel.exponentials(sums.data(), powers.data(), kRows, kColumns, kScale);
    for (int64_t i = 0; i < kRows; ++i) {
      const float *const row = scores.data() + i * kColumns, *const power = powers.data() + i * kColumns;
      const auto top = static_cast<double>(*std::max_element(row, row + kScores));
      double sum = 0;
      for (int64_t j = 0; j < kScores; ++j) sum += std::exp2(static_cast<double>(kScale) * (row[j] - top));
      for (int64_t j = 0; j < kScores; ++j) {
        const double share = std::exp2(static_cast<double>(kScale) * (row[j] - top)) / sum;
        CHECK(std::abs(static_cast<double>(power[j] / sums[static_cast<size_t>(i)]) - share) <= 5e-7 * share + 1e-38);
      }
      CHECK(std::all_of(power + kScores, power + kColumns, [](float p) { return p == 0; }));
    }
    powers.insert(powers.end(), sums.begin(), sums.end());
    all.push_back(powers);
  }
  for (const std::vector<float>& each : all) CHECK(each == all.front());
}

TEST_CASE("attention's exponentials keep what is not a number") {
  for (const AttentionKernel& kernel : kernels()) {
    std::vector<float> row(16, 1.0f);
    row[9] = std::numeric_limits<float>::quiet_NaN();
    float sum = 0;
    kernel.exponentials(&sum, row.data(), 1, 16, 1.0f);
    CHECK(std::isnan(row[9]));
    CHECK(std::isnan(sum));
  }
}

TEST_CASE("attention's features are elu + 1, rows of any width, with the same bits") {
  constexpr int64_t kRows = 7, kWidth = 21, kStride = 30;
  const std::vector<float> x = spread(kRows * kStride, 20);
  std::vector<std::vector<float>> all;
  for (const AttentionKernel& kernel : kernels()) {
    std::vector<float> y(kRows * kWidth + 1, -1.0f);
    kernel.features(y.data(), x.data(), kStride, kRows, kWidth);
    for (int64_t i = 0; i < kRows; ++i) {
      for (int64_t j = 0; j < kWidth; ++j) {
        const auto from = static_cast<double>(x[static_cast<size_t>(i * kStride + j)]);
        const double expected = from > 0 ? from + 1 : std::exp(from);
        CHECK(std::abs(static_cast<double>(y[static_cast<size_t>(i * kWidth + j)]) - expected) <= 5e-7 * expected);
      }
    }
    CHECK(y.back() == -1.0f);
    all.push_back(y);
  }
  for (const std::vector<float>& each : all) CHECK(each == all.front());
}

}  // namespace dinomaly
