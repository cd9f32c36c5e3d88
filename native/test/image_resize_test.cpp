#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "error_code.h"
#include "image/resize.h"

namespace dinomaly {
namespace {

using Bytes = std::vector<uint8_t>;

Bytes randomBytes(std::mt19937& random, int64_t size) {
  Bytes bytes(static_cast<size_t>(size));
  for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random());
  return bytes;
}

/// All of the resized picture.
Bytes resized(const uint8_t* pixels, int64_t width, int64_t height, int64_t channels, int64_t newWidth,
              int64_t newHeight) {
  return resizeBilinear(pixels, width, height, channels, newWidth, newHeight, {0, 0, newWidth, newHeight});
}

/// One pass along x in double, without rounding: pixels (height, width).
std::vector<double> exactWidth(const std::vector<double>& pixels, int64_t width, int64_t height, int64_t newWidth) {
  const double scale = static_cast<double>(width) / static_cast<double>(newWidth), support = std::max(scale, 1.0);
  std::vector<double> result;
  for (int64_t y = 0; y < height; ++y) {
    for (int64_t output = 0; output < newWidth; ++output) {
      const double centre = (static_cast<double>(output) + 0.5) * scale;
      double sum = 0, weights = 0;
      for (int64_t x = 0; x < width; ++x) {
        const double weight = std::max(1 - std::abs(static_cast<double>(x) + 0.5 - centre) / support, 0.0);
        sum += weight * pixels[static_cast<size_t>(y * width + x)];
        weights += weight;
      }
      result.push_back(sum / weights);
    }
  }
  return result;
}

std::vector<double> transposed(const std::vector<double>& pixels, int64_t width, int64_t height) {
  std::vector<double> result;
  for (int64_t x = 0; x < width; ++x) {
    for (int64_t y = 0; y < height; ++y) result.push_back(pixels[static_cast<size_t>(y * width + x)]);
  }
  return result;
}

// The expected numbers are what Pillow 9.4 answered.
TEST_CASE("resizeBilinear gives Pillow's bytes") {
  const Bytes row = {0, 255, 10, 200, 77, 3, 128};
  CHECK(resized(row.data(), 7, 1, 1, 3, 1) == Bytes{111, 118, 64});

  const Bytes edge = {0, 255};
  CHECK(resized(edge.data(), 2, 1, 1, 5, 1) == Bytes{0, 25, 128, 230, 255});

  const Bytes grey = {0, 91, 182, 17, 108, 199};
  CHECK(resized(grey.data(), 3, 2, 1, 4, 5) ==
        Bytes{0, 57, 125, 182, 2, 59, 127, 184, 9, 66, 134, 191, 15, 72, 140, 197, 17, 74, 142, 199});

  Bytes rgb(5 * 4 * 3);
  for (size_t i = 0; i < rgb.size(); ++i) rgb[i] = static_cast<uint8_t>(i * 37);
  CHECK(resized(rgb.data(), 4, 5, 3, 3, 2) ==
        Bytes{108, 128, 92, 134, 101, 138, 101, 114, 110, 139, 101, 130, 126, 134, 130, 112, 149, 121});
}

TEST_CASE("resizeBilinear rounds between its passes, width first") {
  const Bytes pixels = {37, 235, 140, 72, 255, 137, 203, 133, 79, 192, 144, 129, 204, 71, 237, 252};
  const Bytes widthFirst = {133, 183, 111, 167, 169, 144, 149, 158, 214};
  CHECK(resized(pixels.data(), 4, 4, 1, 3, 3) == widthFirst);
  CHECK(resized(resized(pixels.data(), 4, 4, 1, 3, 4).data(), 3, 4, 1, 3, 3) == widthFirst);
  CHECK(resized(resized(pixels.data(), 4, 4, 1, 4, 3).data(), 4, 3, 1, 3, 3) != widthFirst);
}

TEST_CASE("resizeBilinear leaves a picture of the wanted size alone") {
  std::mt19937 random(1);
  const Bytes pixels = randomBytes(random, 13 * 7 * 3);
  CHECK(resized(pixels.data(), 13, 7, 3, 13, 7) == pixels);
}

TEST_CASE("resizeBilinear stays within one of the exact triangle filter, from any size to any other") {
  std::mt19937 random(2);
  std::uniform_int_distribution<int64_t> side(1, 70);
  for (int round = 0; round < 60; ++round) {
    const int64_t width = side(random), height = side(random), newWidth = side(random), newHeight = side(random);
    CAPTURE(width);
    CAPTURE(height);
    CAPTURE(newWidth);
    CAPTURE(newHeight);
    const Bytes pixels = randomBytes(random, width * height);
    const Bytes found = resized(pixels.data(), width, height, 1, newWidth, newHeight);
    const auto wide = exactWidth({pixels.begin(), pixels.end()}, width, height, newWidth);
    const auto exact =
        transposed(exactWidth(transposed(wide, newWidth, height), height, newWidth, newHeight), newHeight, newWidth);
    REQUIRE(found.size() == exact.size());
    double worst = 0;
    for (size_t i = 0; i < exact.size(); ++i) worst = std::max(worst, std::abs(found[i] - exact[i]));
    CHECK(worst <= 1.001);  // half a level for each of two roundings, and what the weights' 22 bits lose
  }
}

TEST_CASE("resizeBilinear treats the channels of a colour picture alike") {
  std::mt19937 random(3);
  std::uniform_int_distribution<int64_t> side(1, 70);
  for (int round = 0; round < 40; ++round) {
    const int64_t width = side(random), height = side(random), newWidth = side(random), newHeight = side(random);
    const Bytes pixels = randomBytes(random, width * height * 3);
    const Bytes found = resized(pixels.data(), width, height, 3, newWidth, newHeight);
    for (size_t c = 0; c < 3; ++c) {
      Bytes channel, foundChannel;
      for (size_t i = c; i < pixels.size(); i += 3) channel.push_back(pixels[i]);
      for (size_t i = c; i < found.size(); i += 3) foundChannel.push_back(found[i]);
      CHECK(resized(channel.data(), width, height, 1, newWidth, newHeight) == foundChannel);
    }
  }
}

Bytes cut(const Bytes& pixels, int64_t width, int64_t channels, const Part& part) {
  Bytes result;
  for (int64_t y = part.top; y < part.top + part.height; ++y) {
    const auto row = pixels.begin() + (y * width + part.left) * channels;
    result.insert(result.end(), row, row + part.width * channels);
  }
  return result;
}

TEST_CASE("resizeBilinear of a part is that part of the whole, at the borders too") {
  std::mt19937 random(4);
  std::uniform_int_distribution<int64_t> side(1, 70);
  for (int round = 0; round < 40; ++round) {
    const int64_t width = side(random), height = side(random), newWidth = side(random), newHeight = side(random);
    const int64_t channels = round % 2 == 0 ? 3 : 1;
    const Bytes pixels = randomBytes(random, width * height * channels);
    const Bytes whole = resized(pixels.data(), width, height, channels, newWidth, newHeight);
    const int64_t left = side(random) % newWidth, top = side(random) % newHeight;
    for (const Part& part : {Part{left, top, newWidth - left, newHeight - top}, Part{left, top, 1, 1},
                             Part{0, 0, left + 1, top + 1}, Part{newWidth - 1, 0, 1, newHeight}}) {
      CHECK(resizeBilinear(pixels.data(), width, height, channels, newWidth, newHeight, part) ==
            cut(whole, newWidth, channels, part));
    }
  }
}

TEST_CASE("resizeBilinear keeps a picture of one colour, of one pixel too") {
  for (int64_t side : {1, 2, 3, 70, 1000}) {
    const Bytes white(static_cast<size_t>(side * 3), 255);
    CHECK(resized(white.data(), side, 1, 3, 7, 5) == Bytes(7 * 5 * 3, 255));
    CHECK(resized(white.data(), 1, side, 3, 1, 1) == Bytes(3, 255));
  }
}

TEST_CASE("resizeBilinear refuses impossible shapes") {
  const Bytes pixels(64);
  const auto code = [&](int64_t width, int64_t height, int64_t channels, int64_t newWidth, int64_t newHeight) {
    return errorCode([&] { resized(pixels.data(), width, height, channels, newWidth, newHeight); });
  };
  CHECK(code(0, 4, 1, 4, 4) == "ERR_INVALID_ARGUMENT");
  CHECK(code(4, -1, 1, 4, 4) == "ERR_INVALID_ARGUMENT");
  CHECK(code(4, 4, 2, 4, 4) == "ERR_INVALID_ARGUMENT");
  CHECK(code(4, 4, 1, 0, 4) == "ERR_INVALID_ARGUMENT");
  CHECK(code(4, 4, 1, 4, int64_t{1} << 40) == "ERR_INVALID_ARGUMENT");
  CHECK(code(4, 4, 1, 4, 4) == "");
  for (const Part& part : {Part{-1, 0, 2, 2}, Part{0, 3, 2, 2}, Part{0, 0, 0, 2}, Part{0, 0, 2, 5}}) {
    CHECK(errorCode([&] { resizeBilinear(pixels.data(), 4, 4, 1, 4, 4, part); }) == "ERR_INVALID_ARGUMENT");
  }
}

}  // namespace
}  // namespace dinomaly
