// AUPRO: how well the regions of defects are covered, whatever their size.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "metrics/regions.h"
#include "metrics/sorted_scores.h"

namespace dinomaly {

/// The thresholds of AUPRO, 200 or 201, and how much of each region lies above each of them.
class RegionOverlap {
 public:
  /// Thresholds equally spaced from the range's lowest score to before its highest.
  explicit RegionOverlap(const ScoreRange& range);

  /// The regions of one picture, and its map.
  void add(const Regions& regions, const float* map);

  /// The mean overlap over all regions against the false positive rate, integrated where that is below 0.3 and divided
  /// by the largest rate kept (released code). `normals`: sorted keys of all pixels outside of regions. NaN where
  /// undefined: no region, no normal pixel, all scores equal, or no two thresholds with a false positive rate below
  /// 0.3, one of them above 0.
  double aupro(const std::vector<uint32_t>& normals) const;

 private:
  size_t thresholdsBelow(float score) const;
  std::vector<double> falsePositiveRates(const std::vector<uint32_t>& normals) const;
  std::vector<double> overlaps() const;

  const ScoreRange range_;
  double low_, step_, stepsPerScore_;
  std::vector<float> thresholds_;
  std::vector<double> covered_;  // in [k], the shares of regions that lie above exactly k thresholds, summed
  int64_t regionCount_ = 0;
};

}  // namespace dinomaly
