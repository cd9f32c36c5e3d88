// A high quantile of more values than one wants to keep.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace dinomaly {

/// numpy.percentile's default (linear interpolation) for quantiles near 1, of a stream of values: only the largest are
/// kept, `kept` of them (at most twice that in memory). Exact while (1 - quantile) * count + 2 <= kept; beyond, the
/// smallest kept value, which is larger than the quantile.
class TopQuantile {
 public:
  /// The default is exact up to 63 999 maps of 256 x 256 at quantile 0.999, in at most 32 MiB.
  explicit TopQuantile(double quantile, size_t kept = size_t{1} << 22);

  void add(const float* values, size_t count);
  /// Values seen so far.
  uint64_t count() const { return count_; }
  /// NaN when nothing, or a NaN, was added.
  double value();

 private:
  void shrink();

  double quantile_;
  size_t kept_;
  uint64_t count_ = 0;
  bool nan_ = false;
  float floor_;                 // values below it are not among the largest
  std::vector<float> largest_;  // a superset of the kept_ largest, unordered
};

}  // namespace dinomaly
