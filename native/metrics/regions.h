// Connected regions of a mask.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace dinomaly {

struct Regions {
  /// Neighbouring pixels of one row that belong to a region: from `begin` to before `end`, counted over all rows.
  struct Run {
    int64_t begin, end;
    size_t region;  ///< index into areas
  };
  std::vector<Run> runs;       ///< every pixel of every region, in the order of the pixels
  std::vector<int64_t> areas;  ///< pixels of each region, in the order of the regions' first pixels
};

/// The 8-connected regions of a mask's pixels that are not 0. mask (height, width).
Regions findRegions(const uint8_t* mask, int64_t width, int64_t height);

}  // namespace dinomaly
