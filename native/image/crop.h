// The centre crop that follows the resize.
#pragma once

#include <cstdint>

namespace dinomaly {

/// First row and column that the crop keeps: round((resize - crop) / 2), half to even as Python rounds. Throws
/// ERR_INVALID_ARGUMENT unless 1 <= crop <= resize.
int64_t cropOffset(int64_t resize, int64_t crop);

}  // namespace dinomaly
