#include <doctest/doctest.h>

#include <random>
#include <vector>

#include "image/resize_rows.h"

namespace dinomaly {
namespace {

using Bytes = std::vector<uint8_t>;

constexpr uint8_t kGuard = 0xa5;

Bytes randomBytes(std::mt19937& random, int64_t size) {
  Bytes bytes(static_cast<size_t>(size));
  for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random());
  return bytes;
}

TEST_CASE("FastRows resizes as resizeRow does, from any width to any other, and keeps to its rows" *
          doctest::skip(fastRows() == nullptr)) {
  const FastRows* fast = fastRows();
  std::mt19937 random(1);
  std::uniform_int_distribution<int64_t> side(1, 300);
  for (int round = 0; round < 100; ++round) {
    const int64_t width = side(random), newWidth = side(random), begin = side(random) % newWidth;
    const int64_t outputs = 1 + side(random) % (newWidth - begin);
    CAPTURE(width);
    CAPTURE(outputs);
    const ResizeFilter filter = triangleFilter(width, newWidth, begin, outputs);
    const int64_t fromStride = width * 3, rowSize = outputs * 3, toStride = rowSize + FastRows::kOverwrite + 4;
    const Bytes from = round == 0 ? Bytes(static_cast<size_t>(FastRows::kRows * fromStride + FastRows::kOverread), 255)
                                  : randomBytes(random, FastRows::kRows * fromStride + FastRows::kOverread);
    Bytes to(static_cast<size_t>(FastRows::kRows * toStride), kGuard), wanted(to);
    fast->resize(to.data(), toStride, from.data(), fromStride, filter);
    for (int64_t row = 0; row < FastRows::kRows; ++row) {
      resizeRow(wanted.data() + row * toStride, from.data() + row * fromStride, 3, filter);
      to[static_cast<size_t>(row * toStride + rowSize)] = kGuard;  // may have been written
    }
    CHECK(to == wanted);
  }
}

TEST_CASE("FastRows blends as blendRows does, any number of rows of any size, and writes no more" *
          doctest::skip(fastRows() == nullptr)) {
  const FastRows* fast = fastRows();
  std::mt19937 random(2);
  for (int64_t size = 1; size <= 70; ++size) {
    for (int64_t count : {1, 2, 3, 8, 33}) {
      CAPTURE(size);
      CAPTURE(count);
      const int64_t stride = size + FastRows::kOverread;
      const Bytes pixels =
          size % 7 == 0 ? Bytes(static_cast<size_t>(count * stride), 255) : randomBytes(random, count * stride);
      std::vector<const uint8_t*> rows;
      std::vector<uint32_t> weights;  // each rounded up: white must not pass 255
      for (int64_t i = 0; i < count; ++i) {
        rows.push_back(pixels.data() + i * stride);
        weights.push_back(static_cast<uint32_t>((int64_t{1} << kWeightBits) / count + (count > 1)));
      }
      Bytes to(static_cast<size_t>(size) + 20, kGuard), wanted(to);
      fast->blend(to.data(), rows.data(), weights.data(), count, size);
      blendRows(wanted.data(), rows.data(), weights.data(), count, size);
      CHECK(to == wanted);
    }
  }
}

TEST_CASE("triangleFilter of some outputs is that part of the whole") {
  const ResizeFilter whole = triangleFilter(97, 31, 0, 31), part = triangleFilter(97, 31, 7, 20);
  REQUIRE(part.windows.size() == 20);
  REQUIRE(part.stride == whole.stride);
  CHECK(part.stride % 4 == 0);
  for (size_t i = 0; i < 20; ++i) {
    CHECK(part.windows[i].first == whole.windows[i + 7].first);
    CHECK(part.windows[i].count == whole.windows[i + 7].count);
  }
  const auto begin = whole.weights.begin() + 7 * whole.stride;
  CHECK(part.weights == std::vector<uint32_t>(begin, begin + 20 * whole.stride));
}

}  // namespace
}  // namespace dinomaly
