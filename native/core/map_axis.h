// How patches become the pixels of an anomaly map, along one axis.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/map_side.h"

namespace dinomaly {

/// One axis of the way from patches to the map, as a matrix (256, patches): bilinear with aligned corners to `size`,
/// bilinear without to 256, then the Gaussian. All three are linear and separable, so the map is Y * patches * X^T.
/// Static: each file that uses it compiles it for its own instruction set.
static inline std::vector<double> mapAxis(int64_t patches, int64_t size) {
  const auto at = [](std::vector<double>& m, int64_t cols, int64_t i, int64_t j) -> double& {
    return m[static_cast<size_t>(i * cols + j)];
  };
  std::vector<double> enlarged(static_cast<size_t>(size * patches)), reduced(static_cast<size_t>(kMapSide * patches));
  for (int64_t i = 0; i < size; ++i) {
    const double source = size > 1 ? static_cast<double>(i * (patches - 1)) / static_cast<double>(size - 1) : 0;
    const auto low = static_cast<int64_t>(source);
    const int64_t high = std::min(low + 1, patches - 1);
    const double share = source - static_cast<double>(low);
    at(enlarged, patches, i, low) += 1 - share;
    at(enlarged, patches, i, high) += share;
  }
  for (int64_t i = 0; i < kMapSide; ++i) {
    const double scale = static_cast<double>(size) / kMapSide;
    const double source = std::max(0.0, (static_cast<double>(i) + 0.5) * scale - 0.5);
    const int64_t low = std::min(static_cast<int64_t>(source), size - 1), high = std::min(low + 1, size - 1);
    const double share = source - static_cast<double>(low);
    for (int64_t j = 0; j < patches; ++j) {
      at(reduced, patches, i, j) = (1 - share) * at(enlarged, patches, low, j) + share * at(enlarged, patches, high, j);
    }
  }
  constexpr int64_t kReach = 2;  // 5 taps
  constexpr double kSigma = 4;
  double taps[2 * kReach + 1], sum = 0;
  for (int64_t t = -kReach; t <= kReach; ++t) {
    sum += taps[t + kReach] = std::exp(-static_cast<double>(t * t) / (2 * kSigma * kSigma));
  }
  std::vector<double> blurred(static_cast<size_t>(kMapSide * patches));
  for (int64_t i = 0; i < kMapSide; ++i) {
    for (int64_t t = std::max(-kReach, -i); t <= std::min(kReach, kMapSide - 1 - i); ++t) {
      for (int64_t j = 0; j < patches; ++j) {
        at(blurred, patches, i, j) += taps[t + kReach] / sum * at(reduced, patches, i + t, j);
      }
    }
  }
  return blurred;
}

}  // namespace dinomaly
