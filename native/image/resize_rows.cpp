#include "image/resize_rows.h"

#include <algorithm>

namespace dinomaly {
namespace {

uint8_t byteFromSum(uint32_t sum) {
  return static_cast<uint8_t>(std::min<uint32_t>(sum >> kWeightBits, 255));
}

template <int channels>
void resizePixels(uint8_t* to, const uint8_t* from, const ResizeFilter& filter) {
  const uint32_t* weights = filter.weights.data();
  for (const auto& window : filter.windows) {
    uint32_t sums[channels];
    for (uint32_t& sum : sums) sum = kHalfWeight;
    const uint8_t* pixel = from + window.first * channels;
    for (int64_t i = 0; i < window.count; ++i, pixel += channels) {
      for (int c = 0; c < channels; ++c) sums[c] += pixel[c] * weights[i];
    }
    for (uint32_t sum : sums) *to++ = byteFromSum(sum);
    weights += filter.stride;
  }
}

}  // namespace

void resizeRow(uint8_t* to, const uint8_t* from, int64_t channels, const ResizeFilter& filter) {
  channels == 3 ? resizePixels<3>(to, from, filter) : resizePixels<1>(to, from, filter);
}

void blendRows(uint8_t* to, const uint8_t* const* rows, const uint32_t* weights, int64_t count, int64_t size) {
  constexpr int64_t kBlock = 64;
  uint32_t sums[kBlock];
  for (int64_t begin = 0; begin < size; begin += kBlock) {
    const int64_t columns = std::min(kBlock, size - begin);
    std::fill_n(sums, columns, kHalfWeight);
    for (int64_t i = 0; i < count; ++i) {
      const uint8_t* row = rows[i] + begin;
      for (int64_t x = 0; x < columns; ++x) sums[x] += row[x] * weights[i];
    }
    std::transform(sums, sums + columns, to + begin, byteFromSum);
  }
}

}  // namespace dinomaly
