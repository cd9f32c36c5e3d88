#include "metrics/region_overlap.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace dinomaly {
namespace {

constexpr double kSteps = 200, kLimit = 0.3;

/// fpr falls from threshold to threshold. The trapezoids below the limit, fpr divided by its largest there.
double areaBelowLimit(const std::vector<double>& fpr, const std::vector<double>& pro) {
  const auto first = static_cast<size_t>(
      std::find_if(fpr.begin(), fpr.end(), [](double rate) { return rate < kLimit; }) - fpr.begin());
  if (fpr.size() - first < 2 || fpr[first] == 0) return std::numeric_limits<double>::quiet_NaN();
  double area = 0;
  for (size_t i = first; i + 1 < fpr.size(); ++i) area += (fpr[i] - fpr[i + 1]) * (pro[i] + pro[i + 1]) / 2;
  return area / fpr[first];
}

}  // namespace

RegionOverlap::RegionOverlap(const ScoreRange& range)
    : range_(range), low_(range.low()), step_((range.high() - low_) / kSteps), stepsPerScore_(1 / step_) {
  // As numpy.arange spaces them and float32 rounds them.
  const double spacing = (low_ + step_) - low_, count = step_ == 0 ? 0 : std::ceil((range.high() - low_) / step_);
  for (double i = 0; i < count; ++i) thresholds_.push_back(static_cast<float>(low_ + i * spacing));
  covered_.resize(thresholds_.size() + 1);
}

void RegionOverlap::add(const Regions& regions, const float* map) {
  regionCount_ += static_cast<int64_t>(regions.areas.size());
  if (thresholds_.empty()) return;
  for (const auto& run : regions.runs) {
    const double share = 1 / static_cast<double>(regions.areas[run.region]);
    for (int64_t pixel = run.begin; pixel < run.end; ++pixel) covered_[thresholdsBelow(map[pixel])] += share;
  }
}

double RegionOverlap::aupro(const std::vector<uint32_t>& normals) const {
  if (normals.empty() || regionCount_ == 0) return std::numeric_limits<double>::quiet_NaN();
  return areaBelowLimit(falsePositiveRates(normals), overlaps());
}

/// How many thresholds lie strictly below the score.
size_t RegionOverlap::thresholdsBelow(float score) const {
  size_t below = std::min(static_cast<size_t>((score - low_) * stepsPerScore_), thresholds_.size());
  while (below < thresholds_.size() && thresholds_[below] < score) ++below;  // right already, or next to it
  while (below > 0 && thresholds_[below - 1] >= score) --below;
  return below;
}

std::vector<double> RegionOverlap::falsePositiveRates(const std::vector<uint32_t>& normals) const {
  std::vector<double> rates;
  for (float threshold : thresholds_) {
    const auto above = std::lower_bound(normals.begin(), normals.end(), range_.key(threshold)) - normals.begin();
    rates.push_back(static_cast<double>(above) / static_cast<double>(normals.size()));
  }
  return rates;
}

std::vector<double> RegionOverlap::overlaps() const {
  std::vector<double> shares(thresholds_.size());
  double above = 0;
  for (size_t i = shares.size(); i-- > 0;) {
    above += covered_[i + 1];
    shares[i] = above / static_cast<double>(regionCount_);
  }
  return shares;
}

}  // namespace dinomaly
