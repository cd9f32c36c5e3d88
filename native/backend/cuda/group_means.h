// The means of the encoder's targets, in one pass over them. T: float or bf16. Letters as in backend.h: B images, N
// tokens of an image, P patches, D channels.
#pragma once

#include <vector>

#include "backend/cuda/launch.h"

namespace dinomaly::cuda {

constexpr int kMostAveraged = 8;  // tensors
constexpr int kMostGroups = 8;

/// mean (B,N,D) = the mean of 1 to kMostAveraged tokens (B,N,D); groups[g] (B,P,D), of which there may be kMostGroups,
/// = the sum of weights[g * tokens.size() + i] * the patches of tokens[i], which are its last P. Where a weight is 0
/// the tensor is left out. Each sum in the tensors' order, rounded once. No result overlaps a tensor.
template <typename T>
void groupMeans(Stream stream, T* mean, const std::vector<T*>& groups, const float* weights,
                const std::vector<const T*>& tokens, int64_t images, int64_t tokenCount, int64_t patchCount,
                int64_t dim);

}  // namespace dinomaly::cuda
