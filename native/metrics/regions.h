// Connected regions of a mask.
#pragma once

#include <cstdint>
#include <vector>

namespace dinomaly {

struct Regions {
  std::vector<int64_t> labels;  ///< (height, width): index into areas, or -1 outside of every region
  std::vector<int64_t> areas;   ///< pixels of each region, in the order of the regions' first pixels
};

/// The 8-connected regions of a mask's pixels that are not 0. mask (height, width).
Regions findRegions(const uint8_t* mask, int64_t width, int64_t height);

}  // namespace dinomaly
