#include "metrics/regions.h"

#include <algorithm>

namespace dinomaly {
namespace {

/// Union-find over pixels: every parent comes before its child, so that a root is its region's first pixel.
int64_t findRoot(std::vector<int64_t>& parents, int64_t pixel) {
  while (parents[static_cast<size_t>(pixel)] != pixel) {
    int64_t& parent = parents[static_cast<size_t>(pixel)];
    parent = parents[static_cast<size_t>(parent)];  // halves the path for the next search
    pixel = parent;
  }
  return pixel;
}

void unite(std::vector<int64_t>& parents, int64_t a, int64_t b) {
  const int64_t rootA = findRoot(parents, a), rootB = findRoot(parents, b);
  parents[static_cast<size_t>(std::max(rootA, rootB))] = std::min(rootA, rootB);
}

}  // namespace

Regions findRegions(const uint8_t* mask, int64_t width, int64_t height) {
  constexpr int64_t kBackground = -1;
  std::vector<int64_t> parents(static_cast<size_t>(width * height), kBackground);
  for (int64_t y = 0; y < height; ++y) {
    for (int64_t x = 0; x < width; ++x) {
      const int64_t pixel = y * width + x;
      if (mask[pixel] == 0) continue;
      parents[static_cast<size_t>(pixel)] = pixel;
      if (x > 0 && mask[pixel - 1] != 0) unite(parents, pixel, pixel - 1);
      if (y == 0) continue;
      for (int64_t above = std::max<int64_t>(x - 1, 0); above <= std::min(x + 1, width - 1); ++above) {
        const int64_t neighbour = (y - 1) * width + above;
        if (mask[neighbour] != 0) unite(parents, pixel, neighbour);
      }
    }
  }

  Regions regions;
  regions.labels.assign(parents.size(), kBackground);
  for (size_t pixel = 0; pixel < parents.size(); ++pixel) {
    if (parents[pixel] == kBackground) continue;
    const auto root = static_cast<size_t>(findRoot(parents, static_cast<int64_t>(pixel)));
    if (root == pixel) {
      regions.labels[pixel] = static_cast<int64_t>(regions.areas.size());
      regions.areas.push_back(0);
    }
    regions.labels[pixel] = regions.labels[root];
    ++regions.areas[static_cast<size_t>(regions.labels[root])];
  }
  return regions;
}

}  // namespace dinomaly
