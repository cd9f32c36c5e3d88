// Cosine distance and the loose loss. T: float or bf16, of e and d and the gradient; distances and sums are float.
#pragma once

#include "backend/cuda/launch.h"
#include "backend/cuda/step.h"

namespace dinomaly::cuda {

/// distance (rows) = 1 - cosine(e, d) per row of (rows, dim), each norm at least 1e-8.
template <typename T>
void cosineDistance(Stream stream, float* distance, const T* e, const T* d, int64_t rows, int64_t dim);

/// The loose loss of one group, e and d (images, patches, dim): mean over images of 1 - cosine of the flattened maps,
/// of which `share` is added to the step's loss. dd (images, patches, dim) = share * its gradient, times 0.1 for
/// patches whose distance is below the batch's `hardest`-th largest, which the step says and which is taken as from 1
/// to images
/// * patches. In place allowed (dd = d). A loss of this group that is not finite leaves dd as it is. scratch:
/// looseLossScratch(images, patches) floats.
template <typename T>
void looseLoss(Stream stream, T* dd, Step* step, float* scratch, const T* e, const T* d, int64_t images,
               int64_t patches, int64_t dim, float share);
int64_t looseLossScratch(int64_t images, int64_t patches);

}  // namespace dinomaly::cuda
