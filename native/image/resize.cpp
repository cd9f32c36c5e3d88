#include "image/resize.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "core/error.h"
#include "image/side.h"

namespace dinomaly {
namespace {

constexpr int kPrecisionBits = 32 - 8 - 2;  // 8 bits for the pixel and 2 to spare in a signed word, as Pillow counts
constexpr uint32_t kHalf = uint32_t{1} << (kPrecisionBits - 1);

/// The weights of one output coordinate lie at `weights[output * stride]`, for the inputs from `first` on.
struct Filter {
  struct Window {
    int64_t first, count;
  };
  std::vector<Window> windows;
  std::vector<uint32_t> weights;
  int64_t stride;
};

Filter triangleFilter(int64_t from, int64_t to) {
  const double scale = static_cast<double>(from) / static_cast<double>(to);
  const double support = std::max(scale, 1.0);  // enlarging interpolates, reducing averages
  Filter filter;
  filter.stride = static_cast<int64_t>(std::ceil(support)) * 2 + 1;
  filter.weights.assign(static_cast<size_t>(filter.stride * to), 0);
  std::vector<double> exact(static_cast<size_t>(filter.stride));
  for (int64_t output = 0; output < to; ++output) {
    const double centre = (static_cast<double>(output) + 0.5) * scale;
    const int64_t first = std::max<int64_t>(static_cast<int64_t>(centre - support + 0.5), 0);
    const int64_t last = std::min<int64_t>(static_cast<int64_t>(centre + support + 0.5), from);
    double sum = 0;
    for (int64_t input = first; input < last; ++input) {
      const double distance = std::abs((static_cast<double>(input) - centre + 0.5) * (1.0 / support));
      sum += exact[static_cast<size_t>(input - first)] = std::max(1.0 - distance, 0.0);
    }
    uint32_t* weights = &filter.weights[static_cast<size_t>(output * filter.stride)];
    for (int64_t i = 0; i < last - first; ++i) {
      weights[i] = static_cast<uint32_t>(0.5 + exact[static_cast<size_t>(i)] / sum * (1 << kPrecisionBits));
    }
    filter.windows.push_back({first, last - first});
  }
  return filter;
}

/// Weights are rounded one by one, so that their sum may exceed 1 and a white pixel 255.
uint8_t byteFromSum(uint32_t sum) {
  return static_cast<uint8_t>(std::min<uint32_t>(sum >> kPrecisionBits, 255));
}

template <int channels>
void resizeRow(uint8_t* to, const uint8_t* from, const Filter& filter) {
  const uint32_t* weights = filter.weights.data();
  for (const auto& window : filter.windows) {
    uint32_t sums[channels];
    for (uint32_t& sum : sums) sum = kHalf;
    const uint8_t* pixel = from + window.first * channels;
    for (int64_t i = 0; i < window.count; ++i, pixel += channels) {
      for (int c = 0; c < channels; ++c) sums[c] += pixel[c] * weights[i];
    }
    for (uint32_t sum : sums) *to++ = byteFromSum(sum);
    weights += filter.stride;
  }
}

std::vector<uint8_t> resizeWidth(const uint8_t* pixels, int64_t width, int64_t height, int64_t channels,
                                 int64_t newWidth) {
  const Filter filter = triangleFilter(width, newWidth);
  const auto resize = channels == 3 ? resizeRow<3> : resizeRow<1>;
  std::vector<uint8_t> result(static_cast<size_t>(newWidth * height * channels));
  for (int64_t y = 0; y < height; ++y) {
    resize(result.data() + y * newWidth * channels, pixels + y * width * channels, filter);
  }
  return result;
}

std::vector<uint8_t> resizeHeight(const uint8_t* pixels, int64_t rowSize, int64_t height, int64_t newHeight) {
  const Filter filter = triangleFilter(height, newHeight);
  std::vector<uint8_t> result(static_cast<size_t>(rowSize * newHeight));
  std::vector<uint32_t> sums(static_cast<size_t>(rowSize));
  for (int64_t y = 0; y < newHeight; ++y) {
    const auto& window = filter.windows[static_cast<size_t>(y)];
    std::fill(sums.begin(), sums.end(), kHalf);
    for (int64_t i = 0; i < window.count; ++i) {
      const uint32_t weight = filter.weights[static_cast<size_t>(y * filter.stride + i)];
      const uint8_t* row = pixels + (window.first + i) * rowSize;
      for (int64_t x = 0; x < rowSize; ++x) sums[static_cast<size_t>(x)] += row[x] * weight;
    }
    std::transform(sums.begin(), sums.end(), result.begin() + y * rowSize, byteFromSum);
  }
  return result;
}

}  // namespace

std::vector<uint8_t> resizeBilinear(const uint8_t* pixels, int64_t width, int64_t height, int64_t channels,
                                    int64_t newWidth, int64_t newHeight) {
  requireSide("width", width);
  requireSide("height", height);
  requireSide("new width", newWidth);
  requireSide("new height", newHeight);
  if (channels != 1 && channels != 3) {
    throw Error("ERR_INVALID_ARGUMENT",
                "channels: expected 1 (mask) or 3 (RGB), found " + std::to_string(channels) + ". Convert it first");
  }
  std::vector<uint8_t> wide;
  if (newWidth != width) {
    wide = resizeWidth(pixels, width, height, channels, newWidth);
    pixels = wide.data();
  }
  if (newHeight != height) return resizeHeight(pixels, newWidth * channels, height, newHeight);
  if (newWidth != width) return wide;
  return std::vector<uint8_t>(pixels, pixels + width * height * channels);
}

}  // namespace dinomaly
