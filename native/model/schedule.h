// The two schedules of a training run (paper, 3.4 and 4.1; released code where they differ).
#pragma once

#include <cstdint>

namespace dinomaly {

/// Lengths in iterations; iterations are counted from 0.
struct Schedule {
  int64_t iterations = 10000;
  double learningRate = 2e-3, finalLearningRate = 2e-4;
  int64_t warmup = 100;
  double discardRate = 0.9;
  int64_t discardWarmup = 1000;

  /// Linear from 0 to learningRate, both ends included, over `warmup`; then a cosine towards finalLearningRate, which
  /// `iterations` would have.
  double learningRateAt(int64_t iteration) const;
  /// The share p of well restored points whose gradient is reduced: linear to discardRate over discardWarmup.
  double discardRateAt(int64_t iteration) const;
};

}  // namespace dinomaly
