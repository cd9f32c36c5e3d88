// How kernels cut the rows of what they compute.
#pragma once

#include <algorithm>
#include <cstdint>

namespace dinomaly {

/// Rows in parts of about the same height: at most `most` (two units or more) and multiples of kUnit, but for the last
/// part of each thread. Where there are enough rows, each thread has as many parts as another and, give or take
/// `grain`, as many rows. In all loops over such parts a thread then begins with the same rows, and in runBlocks() of
/// kUnit with nearly the same: what it has written stays in its cache, which may be far from the others'.
class RowParts {
 public:
  static constexpr int64_t kUnit = 12;  // a multiple of what kernels take at a time

  RowParts(int64_t rows, int64_t most, int64_t threads, int64_t grain = 1)
      : rows_(rows),
        grain_(grain),
        shares_(std::clamp((rows + kUnit - 1) / kUnit, int64_t{1}, threads)),
        parts_((highestShare() + most - 1) / most) {}

  int64_t count() const { return shares_ * parts_; }
  int64_t begin(int64_t part) const {
    const int64_t first = shareBegin(part / parts_),
                  units = (shareBegin(part / parts_ + 1) - first + kUnit - 1) / kUnit;
    return first + part % parts_ * units / parts_ * kUnit;
  }
  int64_t end(int64_t part) const {
    return part % parts_ + 1 < parts_ ? begin(part + 1) : shareBegin(part / parts_ + 1);
  }

 private:
  int64_t grains() const { return (rows_ + grain_ - 1) / grain_; }
  int64_t highestShare() const { return (grains() + shares_ - 1) / shares_ * grain_; }
  int64_t shareBegin(int64_t share) const { return std::min(share * grains() / shares_ * grain_, rows_); }

  int64_t rows_, grain_;
  int64_t shares_, parts_;  // threads that have a share, and the parts of each
};

}  // namespace dinomaly
