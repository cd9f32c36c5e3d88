// How kernels cut the rows of what they compute.
#pragma once

#include <algorithm>
#include <cstdint>

namespace dinomaly {

/// Rows in parts of about the same height: multiples of kUnit but for the last, at most `most`, which is one. Where
/// there are enough, each thread has as many parts as another. In loops over such parts, and in runBlocks() of kUnit, a
/// thread then begins with the same rows: what it has written stays in its cache, which may be far from the others'.
class RowParts {
 public:
  static constexpr int64_t kUnit = 12;  // what product kernels take at a time

  RowParts(int64_t rows, int64_t most, int64_t threads) : rows_(rows), units_((rows + kUnit - 1) / kUnit) {
    const int64_t least = (rows + most - 1) / most;
    count_ = std::min((least + threads - 1) / threads * threads, std::max(units_, least));
  }

  int64_t count() const { return count_; }
  int64_t begin(int64_t part) const { return std::min(part * units_ / count_ * kUnit, rows_); }
  int64_t end(int64_t part) const { return begin(part + 1); }

 private:
  int64_t rows_, units_, count_;
};

}  // namespace dinomaly
