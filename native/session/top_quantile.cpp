#include "session/top_quantile.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

namespace dinomaly {

TopQuantile::TopQuantile(double quantile, size_t kept)
    : quantile_(quantile), kept_(kept), floor_(-std::numeric_limits<float>::infinity()) {}

void TopQuantile::add(const float* values, size_t count) {
  count_ += count;
  for (size_t i = 0; i < count; ++i) {
    if (std::isnan(values[i])) nan_ = true;
    if (!(values[i] >= floor_)) continue;  // NaN too: it would spoil the order below
    largest_.push_back(values[i]);
    if (largest_.size() == 2 * kept_) shrink();
  }
}

void TopQuantile::shrink() {
  const auto last = largest_.begin() + static_cast<ptrdiff_t>(kept_) - 1;
  std::nth_element(largest_.begin(), last, largest_.end(), std::greater<float>());
  floor_ = *last;
  largest_.resize(kept_);
}

double TopQuantile::value() {
  if (nan_ || count_ == 0) return std::numeric_limits<double>::quiet_NaN();
  std::sort(largest_.begin(), largest_.end(), std::greater<float>());
  const double index = static_cast<double>(count_ - 1) * quantile_, lower = std::floor(index);
  const auto fromTop = [this](uint64_t rank) {  // rank: in ascending order of all values
    const uint64_t place = std::min<uint64_t>(count_ - 1 - rank, std::min(largest_.size(), kept_) - 1);
    return static_cast<double>(largest_[place]);
  };
  const auto rank = static_cast<uint64_t>(lower);
  const double a = fromTop(rank), b = fromTop(std::min(rank + 1, count_ - 1)), t = index - lower;
  return a == b ? a : a + (b - a) * t;
}

}  // namespace dinomaly
