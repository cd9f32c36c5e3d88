#include "image/heatmap.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <string>

#include "core/error.h"
#include "image/side.h"

namespace dinomaly {
namespace {

using Colour = std::array<float, 3>;

constexpr float kOpacity = 0.6f;

/// At equal distances along the scale; lightness grows evenly from black over violet, red and orange to pale yellow.
constexpr std::array<Colour, 5> kColours = {{{0, 0, 8}, {84, 12, 100}, {190, 44, 74}, {246, 142, 26}, {255, 250, 170}}};

/// position 0..1
Colour colourAt(float position) {
  const float scaled = position * (kColours.size() - 1);
  const size_t low = std::min(static_cast<size_t>(scaled), kColours.size() - 2);
  const float weight = scaled - static_cast<float>(low);
  Colour colour;
  for (size_t c = 0; c < colour.size(); ++c) {
    colour[c] = kColours[low][c] + weight * (kColours[low + 1][c] - kColours[low][c]);
  }
  return colour;
}

}  // namespace

std::vector<uint8_t> renderHeatmap(const uint8_t* pixels, const float* map, int64_t width, int64_t height, float max) {
  requireSide("width", width);
  requireSide("height", height);
  if (!std::isfinite(max) || max <= 0) {
    throw Error(
        "ERR_INVALID_ARGUMENT",
        "heatmapMax: expected a finite number above 0, the value drawn brightest, found " + std::to_string(max));
  }
  std::vector<uint8_t> result(pixels, pixels + width * height * 3);
  for (int64_t i = 0; i < width * height; ++i) {
    if (std::isnan(map[i])) continue;
    const Colour colour = colourAt(std::clamp(map[i] / max, 0.0f, 1.0f));
    uint8_t* pixel = result.data() + i * 3;
    for (size_t c = 0; c < colour.size(); ++c) {
      pixel[c] = static_cast<uint8_t>(std::lround(pixel[c] + kOpacity * (colour[c] - pixel[c])));
    }
  }
  return result;
}

}  // namespace dinomaly
