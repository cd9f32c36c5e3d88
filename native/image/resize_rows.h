// The two passes of the resize, row by row. All sums are of 32 bits, and the same whoever computes them.
#pragma once

#include <cstdint>

#include "image/resize_filter.h"

namespace dinomaly {

/// One row along x: from (width, channels), 1 or 3 channels -> to (filter's outputs, channels).
void resizeRow(uint8_t* to, const uint8_t* from, int64_t channels, const ResizeFilter& filter);

/// One row of `size` bytes from `count` rows above each other, each with its weight.
void blendRows(uint8_t* to, const uint8_t* const* rows, const uint32_t* weights, int64_t count, int64_t size);

/// The same, several times as fast.
struct FastRows {
  static constexpr int64_t kRows = 4;       ///< that resize takes at a time, so that weights are unpacked once for all
  static constexpr int64_t kOverread = 16;  ///< bytes that may be read beyond the last row of resize, each of blend
  static constexpr int64_t kOverwrite = 1;  ///< bytes that resize may write beyond each row

  /// kRows rows of RGB along x, each `fromStride` or `toStride` bytes after the one before.
  void (*resize)(uint8_t* to, int64_t toStride, const uint8_t* from, int64_t fromStride, const ResizeFilter& filter);
  /// As blendRows.
  void (*blend)(uint8_t* to, const uint8_t* const* rows, const uint32_t* weights, int64_t count, int64_t size);
};

/// Those for this processor; null where it has no AVX2.
const FastRows* fastRows();

}  // namespace dinomaly
