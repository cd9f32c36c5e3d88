// The weights of Pillow's bilinear resize along one axis.
#pragma once

#include <cstdint>
#include <vector>

namespace dinomaly {

constexpr int kWeightBits = 32 - 8 - 2;  // 8 bits for the pixel and 2 to spare in a signed word, as Pillow counts
constexpr uint32_t kHalfWeight = uint32_t{1} << (kWeightBits - 1);

/// A triangle as wide as the reduction around each output coordinate.
struct ResizeFilter {
  /// The weights of one output coordinate lie at `weights[output * stride]`, for the inputs from `first` on; after
  /// `count` of them come zeros.
  struct Window {
    int64_t first, count;
  };
  std::vector<Window> windows;
  std::vector<uint32_t> weights;  ///< at most 1 << kWeightBits; rounded one by one, so that their sum may exceed that
  int64_t stride;                 ///< a multiple of 4
};

/// From a side of `from` pixels to one of `to`, of which the `count` outputs from `begin` on.
ResizeFilter triangleFilter(int64_t from, int64_t to, int64_t begin, int64_t count);

}  // namespace dinomaly
