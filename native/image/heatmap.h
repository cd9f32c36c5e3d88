// A picture with its anomaly map over it, for people.
#pragma once

#include <cstdint>
#include <vector>

namespace dinomaly {

/// pixels (height, width, 3) and map (height, width) in the picture's own pixels -> (height, width, 3).
/// The scale is fixed: 0 is the darkest colour, `max` and above the brightest, so that pictures can be compared and
/// good parts stay dark. A NaN of the map leaves its pixel as it is. Throws ERR_INVALID_ARGUMENT when a side is out of
/// range or max is not finite and above 0.
std::vector<uint8_t> renderHeatmap(const uint8_t* pixels, const float* map, int64_t width, int64_t height, float max);

}  // namespace dinomaly
