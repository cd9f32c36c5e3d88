#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <vector>

#include "backend/cpu/cpu_backend.h"
#include "core/map_side.h"

namespace dinomaly {
namespace {

constexpr int64_t kSide = kMapSide, kScorePixels = kSide * kSide / 100;  // 1%, rounded down: 655

/// One axis of the way from patches to the map, as a matrix (256, patches): bilinear with aligned corners to `size`,
/// bilinear without to 256, then the Gaussian. All three are linear and separable, so the map is Y * patches * X^T.
std::vector<double> axis(int64_t patches, int64_t size) {
  const auto at = [](std::vector<double>& m, int64_t cols, int64_t i, int64_t j) -> double& {
    return m[static_cast<size_t>(i * cols + j)];
  };
  std::vector<double> enlarged(static_cast<size_t>(size * patches)), reduced(static_cast<size_t>(kSide * patches));
  for (int64_t i = 0; i < size; ++i) {
    const double source = size > 1 ? static_cast<double>(i * (patches - 1)) / static_cast<double>(size - 1) : 0;
    const auto low = static_cast<int64_t>(source);
    const int64_t high = std::min(low + 1, patches - 1);
    const double share = source - static_cast<double>(low);
    at(enlarged, patches, i, low) += 1 - share;
    at(enlarged, patches, i, high) += share;
  }
  for (int64_t i = 0; i < kSide; ++i) {
    const double scale = static_cast<double>(size) / kSide;
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
  std::vector<double> blurred(static_cast<size_t>(kSide * patches));
  for (int64_t i = 0; i < kSide; ++i) {
    for (int64_t t = std::max(-kReach, -i); t <= std::min(kReach, kSide - 1 - i); ++t) {
      for (int64_t j = 0; j < patches; ++j) {
        at(blurred, patches, i, j) += taps[t + kReach] / sum * at(reduced, patches, i + t, j);
      }
    }
  }
  return blurred;
}

}  // namespace

void CpuBackend::anomalyMaps(float* maps, const std::vector<const float*>& distances, int64_t images, int64_t rows,
                             int64_t cols, int64_t h, int64_t w) {
  const std::vector<double> down = axis(rows, h), across = axis(cols, w);
  threads_.run(images, [&](int64_t b) {
    std::vector<double> patches(static_cast<size_t>(rows * cols)), half(static_cast<size_t>(rows * kSide));
    for (const float* group : distances) {
      for (int64_t i = 0; i < rows * cols; ++i) {
        patches[static_cast<size_t>(i)] += group[b * rows * cols + i] / static_cast<double>(distances.size());
      }
    }
    for (int64_t r = 0; r < rows; ++r) {
      for (int64_t x = 0; x < kSide; ++x) {
        double sum = 0;
        for (int64_t c = 0; c < cols; ++c) {
          sum += across[static_cast<size_t>(x * cols + c)] * patches[static_cast<size_t>(r * cols + c)];
        }
        half[static_cast<size_t>(r * kSide + x)] = sum;
      }
    }
    for (int64_t y = 0; y < kSide; ++y) {
      double line[kSide] = {};
      for (int64_t r = 0; r < rows; ++r) {
        const double weight = down[static_cast<size_t>(y * rows + r)];
        if (weight == 0) continue;  // each pixel lies between few patches
        for (int64_t x = 0; x < kSide; ++x) line[x] += weight * half[static_cast<size_t>(r * kSide + x)];
      }
      float* out = maps + (b * kSide + y) * kSide;
      for (int64_t x = 0; x < kSide; ++x) out[x] = static_cast<float>(line[x]);
    }
  });
}

void CpuBackend::imageScores(float* scores, const float* maps, int64_t images) {
  threads_.run(images, [&](int64_t b) {
    const float* map = maps + b * kSide * kSide;
    std::vector<float> pixels(map, map + kSide * kSide);
    if (std::any_of(pixels.begin(), pixels.end(), [](float v) { return std::isnan(v); })) {  // NaN has no order
      scores[b] = std::numeric_limits<float>::quiet_NaN();
      return;
    }
    std::nth_element(pixels.begin(), pixels.begin() + kScorePixels, pixels.end(), std::greater<float>());
    double sum = 0;
    for (int64_t i = 0; i < kScorePixels; ++i) sum += pixels[static_cast<size_t>(i)];
    scores[b] = static_cast<float>(sum / kScorePixels);
  });
}

}  // namespace dinomaly
