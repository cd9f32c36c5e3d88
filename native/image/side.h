// What the sides of pictures may be.
#pragma once

#include <cstdint>

namespace dinomaly {

/// Beyond it the 32-bit sums of the resize could overflow.
constexpr int64_t kLargestSide = int64_t{1} << 24;

/// Throws ERR_INVALID_ARGUMENT, naming the side, unless it is in 1..kLargestSide.
void requireSide(const char* name, int64_t side);

}  // namespace dinomaly
