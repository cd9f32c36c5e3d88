#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "core/map_side.h"
#include "error_code.h"
#include "image/crop.h"
#include "image/prepare.h"
#include "image/resize.h"

namespace dinomaly {
namespace {

using Bytes = std::vector<uint8_t>;

Bytes withRectangle(int64_t width, int64_t height, int64_t left, int64_t top, int64_t right, int64_t bottom) {
  Bytes mask(static_cast<size_t>(width * height));
  for (int64_t y = top; y < bottom; ++y) {
    for (int64_t x = left; x < right; ++x) mask[static_cast<size_t>(y * width + x)] = 255;
  }
  return mask;
}

TEST_CASE("cropOffset rounds half to even") {
  CHECK(cropOffset(448, 392) == 28);
  CHECK(cropOffset(449, 392) == 28);  // 28.5
  CHECK(cropOffset(447, 392) == 28);  // 27.5
  CHECK(cropOffset(2, 1) == 0);       // 0.5
  CHECK(cropOffset(4, 1) == 2);       // 1.5
  CHECK(cropOffset(392, 392) == 0);
  CHECK(errorCode([] { cropOffset(392, 393); }) == "ERR_INVALID_ARGUMENT");
  CHECK(errorCode([] { cropOffset(392, 0); }) == "ERR_INVALID_ARGUMENT");
}

TEST_CASE("prepareImage cuts out the middle") {
  Bytes pixels(5 * 5 * 3);
  for (size_t i = 0; i < pixels.size(); ++i) pixels[i] = static_cast<uint8_t>(i);
  CHECK(prepareImage(pixels.data(), 5, 5, 5, 1) == Bytes{36, 37, 38});
  CHECK(prepareImage(pixels.data(), 5, 5, 5, 5) == pixels);
  // 5 - 2 leaves 3: 1.5 is rounded to 2
  CHECK(prepareImage(pixels.data(), 5, 5, 5, 2) == Bytes{36, 37, 38, 39, 40, 41, 51, 52, 53, 54, 55, 56});
}

TEST_CASE("prepareImage resizes, then crops") {
  std::mt19937 random(1);
  Bytes pixels(31 * 20 * 3);
  for (uint8_t& byte : pixels) byte = static_cast<uint8_t>(random());
  CHECK(prepareImage(pixels.data(), 31, 20, 64, 56) ==
        resizeBilinear(pixels.data(), 31, 20, 3, 64, 64, {4, 4, 56, 56}));
  CHECK(errorCode([&] { prepareImage(pixels.data(), 31, 20, 56, 64); }) == "ERR_INVALID_ARGUMENT");
  CHECK(errorCode([&] { prepareImage(pixels.data(), 0, 20, 64, 56); }) == "ERR_INVALID_ARGUMENT");
}

TEST_CASE("prepareMask keeps what is 256 by 256 already, as 0 and 1") {
  Bytes mask(256 * 256), expected(256 * 256);
  std::mt19937 random(2);
  for (size_t i = 0; i < mask.size(); ++i) {
    mask[i] = static_cast<uint8_t>(random() % 3);
    expected[i] = mask[i] > 0;
  }
  CHECK(prepareMask(mask.data(), 256, 256, 256, 256) == expected);
}

TEST_CASE("prepareMask takes row and column floor(i * crop / 256)") {
  Bytes mask(392 * 392);
  mask[3 * 392 + 1] = 255;    // row 3 is map row 2 (2 * 1.53 = 3.06), column 1 is map column 1 (1.53)
  mask[5 * 392 + 200] = 255;  // between map rows 3 (4.59) and 4 (6.13): skipped
  const Bytes small = prepareMask(mask.data(), 392, 392, 392, 392);
  CHECK(std::count(small.begin(), small.end(), 1) == 1);
  CHECK(small[2 * 256 + 1] == 1);
}

TEST_CASE("prepareMask counts the faintest trace of a defect") {
  // Reduced by ten, one pixel of 255 is 255/100 at most: far below half, still above 0.
  const Bytes mask = withRectangle(2560, 2560, 1005, 1005, 1006, 1006);
  const Bytes small = prepareMask(mask.data(), 2560, 2560, 256, 256);
  CHECK(std::count(small.begin(), small.end(), 1) >= 1);
  CHECK(small[100 * 256 + 100] == 1);
}

TEST_CASE("prepareMask cuts off what the crop cuts off") {
  const Bytes mask = withRectangle(448, 448, 0, 0, 448, 28);
  const Bytes small = prepareMask(mask.data(), 448, 448, 448, 392);
  CHECK(std::count(small.begin(), small.end(), 0) == 256 * 256);
}

TEST_CASE("mapToOriginal is the identity where nothing is resized or cut off") {
  std::vector<float> map(256 * 256);
  for (size_t i = 0; i < map.size(); ++i) map[i] = static_cast<float>(i);
  CHECK(mapToOriginal(map.data(), 256, 256, 256, 256) == map);
}

TEST_CASE("mapToOriginal marks what was cut off with NaN, and nothing else") {
  const std::vector<float> map(256 * 256, 1.0f);
  const int64_t width = 896, height = 448;  // an own pixel is half and one pixel of the resized picture
  const std::vector<float> original = mapToOriginal(map.data(), width, height, 448, 392);
  REQUIRE(original.size() == static_cast<size_t>(width * height));
  int64_t wrong = 0;
  for (int64_t y = 0; y < height; ++y) {
    for (int64_t x = 0; x < width; ++x) {
      const bool inside = x >= 56 && x < 840 && y >= 28 && y < 420;
      const float value = original[static_cast<size_t>(y * width + x)];
      if (inside ? value != 1.0f : !std::isnan(value)) ++wrong;
    }
  }
  CHECK(wrong == 0);
}

TEST_CASE("mapToOriginal interpolates between the centres of cells and holds the edge") {
  std::vector<float> map(256 * 256);
  for (size_t i = 0; i < map.size(); ++i) map[i] = static_cast<float>(i % 256);
  const std::vector<float> original = mapToOriginal(map.data(), 512, 3, 256, 256);
  CHECK(original[0] == 0);                      // -0.25 of a cell, held at 0
  CHECK(original[1] == doctest::Approx(0.25));  // own centre 1.5 is 0.75 in the map, 0.25 past a cell's centre
  CHECK(original[2] == doctest::Approx(0.75));
  CHECK(original[512 + 300] == doctest::Approx(149.75));
  CHECK(original[511] == 255);
}

TEST_CASE("mapToOriginal undoes prepareImage without a shift") {
  // Red grows with x and green with y, by one level a pixel: what comes back tells where it came from.
  const int64_t width = 200, height = 120;
  Bytes pixels;
  for (int64_t y = 0; y < height; ++y) {
    for (int64_t x = 0; x < width; ++x) {
      pixels.insert(pixels.end(), {static_cast<uint8_t>(x), static_cast<uint8_t>(y), 0});
    }
  }
  for (int64_t resize : {256, 275, 292, 400}) {
    CAPTURE(resize);
    const Bytes prepared = prepareImage(pixels.data(), width, height, resize, kMapSide);
    for (size_t channel : {0, 1}) {
      std::vector<float> map;
      for (size_t i = channel; i < prepared.size(); i += 3) map.push_back(prepared[i]);
      const std::vector<float> original = mapToOriginal(map.data(), width, height, resize, kMapSide);
      double worst = 0;
      for (size_t i = 0; i < original.size(); ++i) {
        if (!std::isnan(original[i])) worst = std::max(worst, std::abs(double{original[i]} - pixels[i * 3 + channel]));
      }
      CHECK(worst < 1);
    }
  }
}

TEST_CASE("preparing takes any size") {
  std::mt19937 random(4);
  std::uniform_int_distribution<int64_t> side(1, 70);
  const std::vector<float> map(256 * 256, 0.5f);
  for (int round = 0; round < 40; ++round) {
    const int64_t width = side(random), height = side(random), resize = side(random);
    const int64_t crop = 1 + static_cast<int64_t>(random()) % resize;
    const Bytes pixels(static_cast<size_t>(width * height * 3), 9);
    CHECK(prepareImage(pixels.data(), width, height, resize, crop) == Bytes(static_cast<size_t>(crop * crop * 3), 9));
    CHECK(prepareMask(pixels.data(), width, height, resize, crop) == Bytes(256 * 256, 1));
    for (float value : mapToOriginal(map.data(), width, height, resize, crop)) {
      if (!std::isnan(value)) REQUIRE(value == 0.5f);
    }
  }
}

TEST_CASE("mapToOriginal refuses impossible shapes") {
  const std::vector<float> map(256 * 256);
  CHECK(errorCode([&] { mapToOriginal(map.data(), 0, 5, 448, 392); }) == "ERR_INVALID_ARGUMENT");
  CHECK(errorCode([&] { mapToOriginal(map.data(), 5, 5, 392, 448); }) == "ERR_INVALID_ARGUMENT");
}

}  // namespace
}  // namespace dinomaly
