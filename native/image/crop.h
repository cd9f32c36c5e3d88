// The centre crop that follows the resize.
#pragma once

#include <cstdint>
#include <vector>

namespace dinomaly {

/// First row and column that the crop keeps: round((resize - crop) / 2), half to even as Python rounds. Throws
/// ERR_INVALID_ARGUMENT unless 1 <= crop <= resize.
int64_t cropOffset(int64_t resize, int64_t crop);

/// pixels (side, side, channels) -> its middle (crop, crop, channels). Throws as cropOffset.
std::vector<uint8_t> centreCrop(const uint8_t* pixels, int64_t side, int64_t channels, int64_t crop);

}  // namespace dinomaly
