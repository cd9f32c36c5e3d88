// AUPRO: how well the regions of defects are covered, whatever their size.
#pragma once

#include <cstdint>

namespace dinomaly {

/// The mean overlap over all 8-connected regions against the false positive rate, integrated where that is below 0.3
/// and divided by the largest rate kept (released code). masks, maps (images, height, width); a mask's 0 is normal,
/// any other value defective. NaN where undefined: no defect, no normal pixel, all scores equal, or no two thresholds
/// with a false positive rate below 0.3, one of them above 0. Throws ERR_INVALID_ARGUMENT when a score is not finite.
double aupro(const uint8_t* masks, const float* maps, int64_t images, int64_t width, int64_t height);

}  // namespace dinomaly
