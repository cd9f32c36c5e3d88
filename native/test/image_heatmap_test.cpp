#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "error_code.h"
#include "image/heatmap.h"

namespace dinomaly {
namespace {

using Bytes = std::vector<uint8_t>;
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

Bytes renderPixel(uint8_t grey, float value, float max = 1) {
  const Bytes pixel(3, grey);
  return renderHeatmap(pixel.data(), &value, 1, 1, max);
}

int lightness(const Bytes& pixel) {
  return 2 * pixel[0] + 7 * pixel[1] + pixel[2];
}

TEST_CASE("renderHeatmap blends the picture with the scale's colour") {
  CHECK(renderPixel(100, 0) == Bytes{50, 50, 54});
  CHECK(renderPixel(100, 0.5f) == Bytes{95, 60, 85});
  CHECK(renderPixel(100, 1) == Bytes{178, 175, 135});
  CHECK(renderPixel(100, 0.2f, 0.4f) == renderPixel(100, 0.5f));
}

TEST_CASE("renderHeatmap holds values outside of the scale to its ends") {
  CHECK(renderPixel(7, -1) == renderPixel(7, 0));
  CHECK(renderPixel(7, -kInfinity) == renderPixel(7, 0));
  CHECK(renderPixel(7, 5) == renderPixel(7, 1));
  CHECK(renderPixel(7, kInfinity) == renderPixel(7, 1));
}

TEST_CASE("renderHeatmap leaves pixels without a value as they are") {
  const Bytes pixels = {1, 2, 3, 200, 210, 220};
  const std::vector<float> map = {kNaN, 0};
  const Bytes rendered = renderHeatmap(pixels.data(), map.data(), 2, 1, 1);
  CHECK(Bytes(rendered.begin(), rendered.begin() + 3) == Bytes{1, 2, 3});
  CHECK(Bytes(rendered.begin() + 3, rendered.end()) != Bytes{200, 210, 220});
}

TEST_CASE("renderHeatmap's scale grows lighter from end to end, and keeps its lower half dark") {
  for (int i = 1; i <= 256; ++i) {
    CHECK(lightness(renderPixel(0, static_cast<float>(i) / 256)) >=
          lightness(renderPixel(0, static_cast<float>(i - 1) / 256)));
  }
  CHECK(lightness(renderPixel(128, 0.5f)) < lightness(renderPixel(128, kNaN)));
  CHECK(lightness(renderPixel(128, 0.8f)) > lightness(renderPixel(128, kNaN)));
}

TEST_CASE("renderHeatmap refuses a scale without an upper end and impossible shapes") {
  for (float max : {0.0f, -1.0f, kNaN, kInfinity}) {
    CHECK(errorCode([&] { renderPixel(0, 0, max); }) == "ERR_INVALID_ARGUMENT");
  }
  CHECK(errorCode([] { renderHeatmap(nullptr, nullptr, 0, 1, 1); }) == "ERR_INVALID_ARGUMENT");
  CHECK(errorCode([] { renderHeatmap(nullptr, nullptr, 1, 0, 1); }) == "ERR_INVALID_ARGUMENT");
}

}  // namespace
}  // namespace dinomaly
