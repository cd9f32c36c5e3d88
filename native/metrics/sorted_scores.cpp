#include "metrics/sorted_scores.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <utility>

#include "core/error.h"

namespace dinomaly {
namespace {

constexpr int kMostDigits = 3, kLargestDigit = 11;  // 3 digits of 11 bits hold every key
using Counts = std::array<size_t, size_t{1} << kLargestDigit>;

float scoreOf(int32_t order) {
  const int32_t bits = orderedBits(order);
  float score;
  std::memcpy(&score, &bits, sizeof score);
  return score;
}

int bitsOf(uint32_t value) {
  int bits = 0;
  for (; value != 0; value >>= 1) ++bits;
  return bits;
}

/// Radix sort, lowest digit first: `digits` of `bits` each. `scratch` is overwritten.
void sortKeys(std::vector<uint32_t>& keys, std::vector<uint32_t>& scratch, int digits, int bits) {
  const uint32_t mask = (uint32_t{1} << bits) - 1;
  std::array<Counts, kMostDigits> starts{};
  for (uint32_t key : keys) {
    for (int d = 0; d < digits; ++d) ++starts[static_cast<size_t>(d)][key >> (d * bits) & mask];
  }
  scratch.resize(keys.size());
  for (int d = 0; d < digits; ++d) {
    Counts& start = starts[static_cast<size_t>(d)];
    size_t before = 0;
    for (size_t& count : start) before += std::exchange(count, before);
    for (uint32_t key : keys) scratch[start[key >> (d * bits) & mask]++] = key;
    keys.swap(scratch);
  }
}

}  // namespace

ScoreRange::ScoreRange(const char* name, const float* scores, int64_t count) {
  if (count == 0) return;
  lowest_ = std::numeric_limits<int32_t>::max();
  highest_ = std::numeric_limits<int32_t>::min();
  for (int64_t i = 0; i < count; ++i) {
    const int32_t order = orderOf(scores[i]);
    lowest_ = std::min(lowest_, order);
    highest_ = std::max(highest_, order);
  }
  // What is not finite lies beyond all that is.
  if (std::isfinite(low()) && std::isfinite(high())) return;
  const auto found = std::find_if(scores, scores + count, [](float score) { return !std::isfinite(score); });
  throw Error("ERR_INVALID_ARGUMENT", std::string(name) + ": expected finite numbers, found " + std::to_string(*found) +
                                          " at index " + std::to_string(found - scores));
}

float ScoreRange::low() const {
  return scoreOf(lowest_);
}

float ScoreRange::high() const {
  return scoreOf(highest_);
}

void SortedScores::sort(uint32_t largestKey) {
  const int keyBits = bitsOf(largestKey);
  const int digits = (keyBits + kLargestDigit - 1) / kLargestDigit;
  const int bits = digits == 0 ? 0 : (keyBits + digits - 1) / digits;
  std::vector<uint32_t> scratch;
  sortKeys(negatives, scratch, digits, bits);
  sortKeys(positives, scratch, digits, bits);
}

}  // namespace dinomaly
