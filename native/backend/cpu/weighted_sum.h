// What weightedSum() and takePatches() do to a piece that a thread takes.
#pragma once

#include <cstdint>

namespace dinomaly {

/// y (size) = sum of weights[k] * xs[k][offset + i], added in the order of k; y may be where xs[0] begins. For sizes
/// that stay in the first-level cache.
inline void addWeighted(float* y, const float* const* xs, int64_t offset, const float* weights, int64_t count,
                        int64_t size) {
  const float* const first = xs[0] + offset;
  for (int64_t i = 0; i < size; ++i) y[i] = weights[0] * first[i];
  for (int64_t k = 1; k < count; ++k) {
    const float* const x = xs[k] + offset;
    const float weight = weights[k];
    for (int64_t i = 0; i < size; ++i) y[i] += weight * x[i];
  }
}

}  // namespace dinomaly
