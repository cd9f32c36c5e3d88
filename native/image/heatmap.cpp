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

constexpr float kOpacity = 0.5f;

/// A colour of the scale and where on it, 0..1, it stands.
struct Stop {
  float position;
  Colour colour;
};

/// Ever lighter, from black over violet, red and orange to pale yellow. The lower half, which good training pictures
/// fill (max is twice their 99.9th percentile), stays dark.
constexpr std::array<Stop, 6> kScale = {{{0, {0, 0, 8}},
                                         {0.4f, {30, 8, 50}},
                                         {0.6f, {150, 30, 90}},
                                         {0.75f, {235, 90, 40}},
                                         {0.9f, {255, 190, 50}},
                                         {1, {255, 250, 170}}}};

/// position 0..1
Colour colourAt(float position) {
  const auto high = std::find_if(kScale.begin() + 1, kScale.end() - 1,
                                 [position](const Stop& stop) { return stop.position >= position; });
  const auto low = high - 1;
  const float weight = (position - low->position) / (high->position - low->position);
  Colour colour;
  for (size_t c = 0; c < colour.size(); ++c) {
    colour[c] = low->colour[c] + weight * (high->colour[c] - low->colour[c]);
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
