#include "model/schedule.h"

#include <algorithm>
#include <cmath>

namespace dinomaly {

double Schedule::learningRateAt(int64_t iteration) const {
  constexpr double kPi = 3.14159265358979323846;
  const auto it = static_cast<double>(iteration), start = static_cast<double>(warmup);
  if (iteration < warmup) return warmup > 1 ? learningRate * it / (start - 1) : 0.0;
  if (iteration >= iterations) return finalLearningRate;
  const double part = (it - start) / (static_cast<double>(iterations) - start);
  return finalLearningRate + 0.5 * (learningRate - finalLearningRate) * (1 + std::cos(kPi * part));
}

double Schedule::discardRateAt(int64_t iteration) const {
  if (discardWarmup <= 0) return discardRate;
  return std::min(discardRate * static_cast<double>(iteration) / static_cast<double>(discardWarmup), discardRate);
}

}  // namespace dinomaly
