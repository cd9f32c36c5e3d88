#include "model/positions.h"

#include <algorithm>
#include <cmath>

namespace dinomaly {
namespace {

struct Taps {
  int64_t index[4];
  double weight[4];
};

double cubic(double x) {  // Keys' kernel, a = -0.75 as in torch
  constexpr double a = -0.75;
  x = std::abs(x);
  if (x <= 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  if (x < 2) return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a;
  return 0;
}

Taps tapsAt(int64_t i, int64_t side, int64_t grid) {
  const double scale = static_cast<double>(grid) / (static_cast<double>(side) + 0.1);
  const double source = (static_cast<double>(i) + 0.5) * scale - 0.5;
  const double floor = std::floor(source);
  Taps taps;
  for (int64_t t = 0; t < 4; ++t) {
    const double at = floor + static_cast<double>(t - 1);
    taps.index[t] = std::clamp(static_cast<int64_t>(at), int64_t{0}, grid - 1);
    taps.weight[t] = cubic(source - at);
  }
  return taps;
}

}  // namespace

std::vector<float> stretchPositions(const float* stored, int64_t grid, int64_t rows, int64_t cols, int64_t dim) {
  if (rows == grid && cols == grid) return {stored, stored + (1 + grid * grid) * dim};
  std::vector<float> stretched(stored, stored + dim);
  stretched.reserve(static_cast<size_t>((1 + rows * cols) * dim));
  std::vector<double> sum(static_cast<size_t>(dim));
  for (int64_t row = 0; row < rows; ++row) {
    const Taps down = tapsAt(row, rows, grid);
    for (int64_t col = 0; col < cols; ++col) {
      const Taps across = tapsAt(col, cols, grid);
      std::fill(sum.begin(), sum.end(), 0.0);
      for (int64_t y = 0; y < 4; ++y) {
        for (int64_t x = 0; x < 4; ++x) {
          const float* from = stored + (1 + down.index[y] * grid + across.index[x]) * dim;
          const double weight = down.weight[y] * across.weight[x];
          for (int64_t c = 0; c < dim; ++c) sum[static_cast<size_t>(c)] += weight * from[c];
        }
      }
      for (double value : sum) stretched.push_back(static_cast<float>(value));
    }
  }
  return stretched;
}

}  // namespace dinomaly
