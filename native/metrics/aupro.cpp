#include "metrics/aupro.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "core/error.h"
#include "metrics/regions.h"

namespace dinomaly {
namespace {

constexpr double kSteps = 200, kLimit = 0.3;
constexpr double kUndefined = std::numeric_limits<double>::quiet_NaN();

/// Equally spaced from the smallest score to before the largest, as numpy.arange spaces them and float32 rounds them.
class Thresholds {
 public:
  Thresholds(float low, float high) : low_(low), step_((high - low_) / kSteps) {
    const double spacing = (low_ + step_) - low_;
    const double count = std::ceil((high - low_) / step_);
    for (double i = 0; i < count; ++i) values_.push_back(static_cast<float>(low_ + i * spacing));
  }

  size_t count() const { return values_.size(); }

  /// How many thresholds lie strictly below the score.
  size_t countBelow(float score) const {
    size_t below = std::min(static_cast<size_t>((score - low_) / step_), count());  // right, or next to it
    while (below < count() && values_[below] < score) ++below;
    while (below > 0 && values_[below - 1] >= score) --below;
    return below;
  }

 private:
  double low_, step_;
  std::vector<float> values_;
};

/// In `counts[k]`, what lies above exactly k thresholds -> in `[i]`, the share of `total` above threshold i.
std::vector<double> shareAbove(const std::vector<double>& counts, double total) {
  std::vector<double> shares(counts.size() - 1);
  double above = 0;
  for (size_t i = shares.size(); i-- > 0;) {
    above += counts[i + 1];
    shares[i] = above / total;
  }
  return shares;
}

/// fpr falls from threshold to threshold. The trapezoids below the limit, fpr divided by its largest there.
double areaBelowLimit(const std::vector<double>& fpr, const std::vector<double>& pro) {
  const auto first = static_cast<size_t>(
      std::find_if(fpr.begin(), fpr.end(), [](double rate) { return rate < kLimit; }) - fpr.begin());
  if (fpr.size() - first < 2 || fpr[first] == 0) return kUndefined;
  double area = 0;
  for (size_t i = first; i + 1 < fpr.size(); ++i) area += (fpr[i] - fpr[i + 1]) * (pro[i] + pro[i + 1]) / 2;
  return area / fpr[first];
}

}  // namespace

double aupro(const uint8_t* masks, const float* maps, int64_t images, int64_t width, int64_t height) {
  const int64_t pixels = width * height;
  const auto notFinite = std::find_if(maps, maps + images * pixels, [](float score) { return !std::isfinite(score); });
  if (notFinite != maps + images * pixels) {
    throw Error("ERR_INVALID_ARGUMENT", "maps: expected finite numbers, found " + std::to_string(*notFinite) +
                                            " at index " + std::to_string(notFinite - maps));
  }
  if (images * pixels == 0) return kUndefined;
  const auto [low, high] = std::minmax_element(maps, maps + images * pixels);
  if (*low == *high) return kUndefined;

  const Thresholds thresholds(*low, *high);
  std::vector<double> normal(thresholds.count() + 1), covered(thresholds.count() + 1);
  int64_t normals = 0, regionCount = 0;
  for (int64_t image = 0; image < images; ++image, masks += pixels, maps += pixels) {
    const Regions regions = findRegions(masks, width, height);
    regionCount += static_cast<int64_t>(regions.areas.size());
    for (int64_t i = 0; i < pixels; ++i) {
      const size_t below = thresholds.countBelow(maps[i]);
      const int64_t region = regions.labels[static_cast<size_t>(i)];
      if (region < 0) {
        normal[below] += 1;
        ++normals;
      } else {  // a pixel of a small region weighs as much more as the region is smaller
        covered[below] += 1 / static_cast<double>(regions.areas[static_cast<size_t>(region)]);
      }
    }
  }
  if (normals == 0 || regionCount == 0) return kUndefined;
  return areaBelowLimit(shareAbove(normal, static_cast<double>(normals)),
                        shareAbove(covered, static_cast<double>(regionCount)));
}

}  // namespace dinomaly
