// The size of anomaly maps.
#pragma once

#include <cstdint>

namespace dinomaly {

/// Side of the maps and masks that scores and metrics are computed on (released code).
constexpr int64_t kMapSide = 256;
constexpr int64_t kMapPixels = kMapSide * kMapSide;

}  // namespace dinomaly
