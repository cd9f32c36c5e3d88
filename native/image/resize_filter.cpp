#include "image/resize_filter.h"

#include <algorithm>
#include <cmath>

namespace dinomaly {

ResizeFilter triangleFilter(int64_t from, int64_t to, int64_t begin, int64_t count) {
  const double scale = static_cast<double>(from) / static_cast<double>(to);
  const double support = std::max(scale, 1.0);  // enlarging interpolates, reducing averages
  ResizeFilter filter;
  filter.stride = (static_cast<int64_t>(std::ceil(support)) * 2 + 1 + 3) / 4 * 4;
  filter.weights.assign(static_cast<size_t>(filter.stride * count), 0);
  filter.windows.reserve(static_cast<size_t>(count));
  std::vector<double> exact(static_cast<size_t>(filter.stride));
  for (int64_t output = 0; output < count; ++output) {
    const double centre = (static_cast<double>(begin + output) + 0.5) * scale;
    const int64_t first = std::max<int64_t>(static_cast<int64_t>(centre - support + 0.5), 0);
    const int64_t last = std::min<int64_t>(static_cast<int64_t>(centre + support + 0.5), from);
    double sum = 0;
    for (int64_t input = first; input < last; ++input) {
      const double distance = std::abs((static_cast<double>(input) - centre + 0.5) * (1.0 / support));
      sum += exact[static_cast<size_t>(input - first)] = std::max(1.0 - distance, 0.0);
    }
    uint32_t* weights = &filter.weights[static_cast<size_t>(output * filter.stride)];
    for (int64_t i = 0; i < last - first; ++i) {
      weights[i] = static_cast<uint32_t>(0.5 + exact[static_cast<size_t>(i)] / sum * (1 << kWeightBits));
    }
    filter.windows.push_back({first, last - first});
  }
  return filter;
}

}  // namespace dinomaly
