#include "image/resize.h"

#include <algorithm>
#include <string>

#include "core/error.h"
#include "image/resize_filter.h"
#include "image/resize_rows.h"
#include "image/side.h"

namespace dinomaly {
namespace {

/// The picture's rows, resized along x: the last few of them, which the pass along y reads while they are in the cache.
class WideRows {
 public:
  /// `first`: the first row that is read. `most`: how many are read together.
  WideRows(const uint8_t* pixels, int64_t width, int64_t height, int64_t channels, const ResizeFilter& filter,
           int64_t first, int64_t most)
      : pixels_(pixels),
        fromStride_(width * channels),
        height_(height),
        channels_(channels),
        filter_(filter),
        first_(first),
        end_(first),
        toStride_(static_cast<int64_t>(filter.windows.size()) * channels + FastRows::kOverread),
        kept_((most + 2 * FastRows::kRows - 1) / FastRows::kRows * FastRows::kRows),
        rows_(static_cast<size_t>(kept_ * toStride_)) {
    static_assert(FastRows::kOverwrite <= FastRows::kOverread, "a row's end holds what is written and read beyond it");
  }

  /// Resizes all rows before `end`, which grows from call to call.
  void fill(int64_t end) {
    while (end_ < end) {
      const uint8_t* from = pixels_ + end_ * fromStride_;
      const int64_t bytesLeft = (height_ - end_) * fromStride_;
      if (fast_ != nullptr && channels_ == 3 && FastRows::kRows * fromStride_ + FastRows::kOverread <= bytesLeft) {
        fast_->resize(place(end_), toStride_, from, fromStride_, filter_);
        end_ += FastRows::kRows;
      } else {
        resizeRow(place(end_), from, channels_, filter_);
        ++end_;
      }
    }
  }

  const uint8_t* row(int64_t y) const { return rows_.data() + offset(y); }

 private:
  uint8_t* place(int64_t y) { return rows_.data() + offset(y); }
  /// kept_ is a multiple of kRows, so that rows that are resized together lie together.
  int64_t offset(int64_t y) const { return (y - first_) % kept_ * toStride_; }

  const FastRows* const fast_ = fastRows();
  const uint8_t* const pixels_;
  const int64_t fromStride_, height_, channels_;
  const ResizeFilter& filter_;
  const int64_t first_;
  int64_t end_;  // rows before it are resized
  const int64_t toStride_, kept_;
  std::vector<uint8_t> rows_;
};

void requireInside(const Part& part, int64_t width, int64_t height) {
  const auto inside = [](int64_t first, int64_t size, int64_t side) {
    return size >= 1 && first >= 0 && first <= side - size;
  };
  if (inside(part.left, part.width, width) && inside(part.top, part.height, height)) return;
  throw Error("ERR_INVALID_ARGUMENT", "part: expected one of " + std::to_string(width) + " x " +
                                          std::to_string(height) + " pixels, found " + std::to_string(part.width) +
                                          " x " + std::to_string(part.height) + " from " + std::to_string(part.left) +
                                          ", " + std::to_string(part.top));
}

}  // namespace

std::vector<uint8_t> resizeBilinear(const uint8_t* pixels, int64_t width, int64_t height, int64_t channels,
                                    int64_t newWidth, int64_t newHeight, const Part& part) {
  requireSide("width", width);
  requireSide("height", height);
  requireSide("new width", newWidth);
  requireSide("new height", newHeight);
  if (channels != 1 && channels != 3) {
    throw Error("ERR_INVALID_ARGUMENT",
                "channels: expected 1 (mask) or 3 (RGB), found " + std::to_string(channels) + ". Convert it first");
  }
  requireInside(part, newWidth, newHeight);

  // A side that stays as it is needs no case of its own: its weights are 1 and 0.
  const ResizeFilter alongX = triangleFilter(width, newWidth, part.left, part.width);
  const ResizeFilter alongY = triangleFilter(height, newHeight, part.top, part.height);
  WideRows wide(pixels, width, height, channels, alongX, alongY.windows[0].first, std::min(alongY.stride, height));
  const FastRows* fast = fastRows();
  const auto blend = fast != nullptr ? fast->blend : blendRows;
  const int64_t rowSize = part.width * channels;
  std::vector<uint8_t> result(static_cast<size_t>(rowSize * part.height));
  std::vector<const uint8_t*> rows(static_cast<size_t>(alongY.stride));
  for (int64_t y = 0; y < part.height; ++y) {
    const auto& window = alongY.windows[static_cast<size_t>(y)];
    wide.fill(window.first + window.count);
    for (int64_t i = 0; i < window.count; ++i) rows[static_cast<size_t>(i)] = wide.row(window.first + i);
    blend(result.data() + y * rowSize, rows.data(), alongY.weights.data() + y * alongY.stride, window.count, rowSize);
  }
  return result;
}

}  // namespace dinomaly
