// Anomaly maps from patch distances, and the pictures' scores.
#pragma once

#include <vector>

#include "backend/cuda/launch.h"

namespace dinomaly::cuda {

/// One axis of the way from patches to the map, (patches, 256) on the host, for anomalyMaps() to read from device
/// memory: enlarged with aligned corners to `size`, to 256 without, then the Gaussian.
std::vector<float> mapAxisWeights(int64_t patches, int64_t size);

/// maps (images, 256, 256) from patch distances (images, rows, cols) per group, averaged over groups; the addresses in
/// `distances` are of the device, the vector is the host's. down, across: mapAxisWeights(rows, h) and (cols, w).
void anomalyMaps(Stream stream, float* maps, const std::vector<const float*>& distances, const float* down,
                 const float* across, int64_t images, int64_t rows, int64_t cols);

/// scores (images) in device memory: mean of the 655 largest of each of maps (images, 256, 256), which begin at a
/// multiple of 16 bytes; NaN if there is one.
void imageScores(Stream stream, float* scores, const float* maps, int64_t images);

}  // namespace dinomaly::cuda
