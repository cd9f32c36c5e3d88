// The one sort that all metrics of a set of scores come from.
#pragma once

#include <cstdint>
#include <cstring>
#include <limits>
#include <vector>

namespace dinomaly {

/// Turns the bits of negative floats round, which fall as the number rises. Its own inverse.
inline int32_t orderedBits(int32_t bits) {
  return bits ^ (bits >> 31 & std::numeric_limits<int32_t>::max());
}

/// An integer that orders as the score does; 0 and -0 are one score.
inline int32_t orderOf(float score) {
  score += 0.0f;  // -0 becomes 0
  int32_t bits;
  std::memcpy(&bits, &score, sizeof bits);
  return orderedBits(bits);
}

/// The lowest and the highest of a set of scores, and each score as its distance from the highest in steps of a float.
class ScoreRange {
 public:
  /// Throws ERR_INVALID_ARGUMENT, with `name`, when a score is not finite.
  ScoreRange(const char* name, const float* scores, int64_t count);

  float low() const;  ///< 0 where there are no scores, as high()
  float high() const;
  /// Rises as scores fall.
  uint32_t key(float score) const { return static_cast<uint32_t>(highest_) - static_cast<uint32_t>(orderOf(score)); }
  uint32_t largestKey() const { return static_cast<uint32_t>(highest_) - static_cast<uint32_t>(lowest_); }

 private:
  int32_t lowest_ = 0, highest_ = 0;
};

/// Keys of the scores that are labelled anomalous, and of the others. Rising, so that the highest score comes first,
/// once sort() was called.
struct SortedScores {
  std::vector<uint32_t> positives, negatives;

  /// `largestKey`: no key is larger. Needs as much memory again as the longer of the two.
  void sort(uint32_t largestKey);
};

}  // namespace dinomaly
