#include "image/prepare.h"

#include <algorithm>
#include <limits>

#include "core/map_side.h"
#include "image/crop.h"
#include "image/resize.h"
#include "image/side.h"

namespace dinomaly {
namespace {

std::vector<uint8_t> resizeAndCrop(const uint8_t* pixels, int64_t width, int64_t height, int64_t channels,
                                   int64_t resize, int64_t crop) {
  const int64_t offset = cropOffset(resize, crop);
  return resizeBilinear(pixels, width, height, channels, resize, resize, {offset, offset, crop, crop});
}

/// Where an own pixel lies in the map, along one axis: between two cells, or outside of the crop.
struct Place {
  int64_t low, high;
  float weight;  // of `high`
  bool inside;
};

std::vector<Place> placesAlong(int64_t size, int64_t resize, int64_t crop) {
  const int64_t offset = cropOffset(resize, crop);
  std::vector<Place> places;
  places.reserve(static_cast<size_t>(size));
  for (int64_t i = 0; i < size; ++i) {
    const double inCrop = (static_cast<double>(i) + 0.5) / static_cast<double>(size) * static_cast<double>(resize) -
                          static_cast<double>(offset);
    if (inCrop < 0 || inCrop >= static_cast<double>(crop)) {
      places.push_back({0, 0, 0, false});
      continue;
    }
    const double inMap =
        std::clamp(inCrop / static_cast<double>(crop) * kMapSide - 0.5, 0.0, static_cast<double>(kMapSide - 1));
    const int64_t low = static_cast<int64_t>(inMap);
    places.push_back(
        {low, std::min(low + 1, kMapSide - 1), static_cast<float>(inMap - static_cast<double>(low)), true});
  }
  return places;
}

}  // namespace

std::vector<uint8_t> prepareImage(const uint8_t* pixels, int64_t width, int64_t height, int64_t resize, int64_t crop) {
  return resizeAndCrop(pixels, width, height, 3, resize, crop);
}

std::vector<uint8_t> prepareMask(const uint8_t* pixels, int64_t width, int64_t height, int64_t resize, int64_t crop) {
  const std::vector<uint8_t> cropped = resizeAndCrop(pixels, width, height, 1, resize, crop);
  std::vector<uint8_t> mask;
  mask.reserve(kMapPixels);
  for (int64_t y = 0; y < kMapSide; ++y) {
    const uint8_t* row = cropped.data() + y * crop / kMapSide * crop;
    for (int64_t x = 0; x < kMapSide; ++x) mask.push_back(row[x * crop / kMapSide] > 0);
  }
  return mask;
}

std::vector<float> mapToOriginal(const float* map, int64_t width, int64_t height, int64_t resize, int64_t crop) {
  requireSide("width", width);
  requireSide("height", height);
  const std::vector<Place> columns = placesAlong(width, resize, crop), rows = placesAlong(height, resize, crop);
  std::vector<float> result(static_cast<size_t>(width * height), std::numeric_limits<float>::quiet_NaN());
  float* out = result.data();
  for (const Place& y : rows) {
    const float *top = map + y.low * kMapSide, *bottom = map + y.high * kMapSide;
    for (const Place& x : columns) {
      if (y.inside && x.inside) {
        const float above = top[x.low] + x.weight * (top[x.high] - top[x.low]);
        const float below = bottom[x.low] + x.weight * (bottom[x.high] - bottom[x.low]);
        *out = above + y.weight * (below - above);
      }
      ++out;
    }
  }
  return result;
}

}  // namespace dinomaly
