// Pictures as they come in.
#pragma once

#include <cstdint>

namespace dinomaly {

/// Pictures, on the host or in a device's memory: exactly one of pixels (B,h,w,3 RGB bytes) and tensor (B,3,h,w
/// normalised) is set.
struct Images {
  const uint8_t* pixels = nullptr;
  const float* tensor = nullptr;
  int64_t count = 0, height = 0, width = 0;  // height and width divisible by the patch

  /// The pictures from `first` on, `count` of them.
  Images slice(int64_t first, int64_t count) const {
    const int64_t skipped = first * 3 * height * width;
    return {pixels ? pixels + skipped : nullptr, tensor ? tensor + skipped : nullptr, count, height, width};
  }
};

}  // namespace dinomaly
