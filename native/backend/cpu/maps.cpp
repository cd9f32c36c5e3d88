#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "backend/cpu/cpu_backend.h"
#include "core/map_axis.h"

namespace dinomaly {
namespace {

constexpr int64_t kSide = kMapSide, kScorePixels = kSide * kSide / 100;  // 1%, rounded down: 655

}  // namespace

void CpuBackend::anomalyMaps(float* maps, const float* const* distances, int64_t groups, int64_t images, int64_t rows,
                             int64_t cols, int64_t h, int64_t w) {
  const std::vector<double> down = mapAxis(rows, h), across = mapAxis(cols, w);
  threads_.run(images, [&](int64_t b) {
    std::vector<double> patches(static_cast<size_t>(rows * cols)), half(static_cast<size_t>(rows * kSide));
    for (int64_t g = 0; g < groups; ++g) {
      for (int64_t i = 0; i < rows * cols; ++i) {
        patches[static_cast<size_t>(i)] += distances[g][b * rows * cols + i] / static_cast<double>(groups);
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
    const auto falling = [](float a, float b) { return a > b; };  // with std::greater other files would share the code
    std::nth_element(pixels.begin(), pixels.begin() + kScorePixels, pixels.end(), falling);
    double sum = 0;
    for (int64_t i = 0; i < kScorePixels; ++i) sum += pixels[static_cast<size_t>(i)];
    scores[b] = static_cast<float>(sum / kScorePixels);
  });
}

}  // namespace dinomaly
