// The means over groups of layers, of which the network compares what encoder and decoder make (paper, 3.4).
#pragma once

#include <cstdint>
#include <vector>

#include "backend/backend.h"
#include "model/block.h"

namespace dinomaly {

/// y (B, P, D) = the mean of outputs[i] (B, N, D), patches only, over the group's indices i; one that occurs several
/// times counts as often.
void groupMean(Backend& backend, Element* y, const std::vector<Activations>& outputs, const std::vector<int64_t>& group,
               Shape shape, int64_t patchCount, int64_t dim);

/// ys[g] = groupMean() of each group, and mean (B, N, D) = that of all outputs, with all of their tokens.
void groupMeans(Backend& backend, Element* mean, const std::vector<Element*>& ys,
                const std::vector<Activations>& outputs, const std::vector<std::vector<int64_t>>& groups, Shape shape,
                int64_t patchCount, int64_t dim);

}  // namespace dinomaly
