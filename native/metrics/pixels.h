// The four metrics of a set of anomaly maps, from one sort of their pixels.
#pragma once

#include <cstdint>

#include "metrics/ranking.h"

namespace dinomaly {

struct PixelMetrics {
  RankingMetrics ranking;
  double aupro;  ///< region_overlap.h
};

/// masks, maps (images, height, width); a mask's 0 is normal, any other value defective. Each metric is NaN where it is
/// undefined. Throws ERR_INVALID_ARGUMENT when a score is not finite.
PixelMetrics pixelMetrics(const uint8_t* masks, const float* maps, int64_t images, int64_t width, int64_t height);

}  // namespace dinomaly
