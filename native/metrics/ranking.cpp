#include "metrics/ranking.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "core/error.h"

namespace dinomaly {
namespace {

/// An integer that orders as the score does, highest score first.
uint32_t descendingKey(float score) {
  score += 0.0f;  // -0 and 0 are one score
  uint32_t bits;
  std::memcpy(&bits, &score, sizeof bits);
  return bits >> 31 != 0 ? bits : ~bits & 0x7fffffffu;
}

/// Radix sort, ascending, 11 bits at a time.
void sortKeys(std::vector<uint32_t>& keys) {
  constexpr uint32_t kDigitBits = 11, kDigits = 1u << kDigitBits;
  std::vector<uint32_t> sorted(keys.size());
  for (uint32_t shift = 0; shift < 32; shift += kDigitBits) {
    const auto digit = [shift](uint32_t key) { return key >> shift & (kDigits - 1); };
    std::array<size_t, kDigits + 1> start{};
    for (uint32_t key : keys) ++start[digit(key) + 1];
    for (size_t d = 1; d < start.size(); ++d) start[d] += start[d - 1];
    for (uint32_t key : keys) sorted[start[digit(key)]++] = key;
    keys.swap(sorted);
  }
}

}  // namespace

RankingMetrics rankingMetrics(const uint8_t* labels, const float* scores, int64_t count) {
  std::vector<uint32_t> positives, negatives;
  for (int64_t i = 0; i < count; ++i) {
    if (!std::isfinite(scores[i])) {
      throw Error("ERR_INVALID_ARGUMENT", "scores: expected finite numbers, found " + std::to_string(scores[i]) +
                                              " at index " + std::to_string(i));
    }
    (labels[i] != 0 ? positives : negatives).push_back(descendingKey(scores[i]));
  }
  constexpr double kUndefined = std::numeric_limits<double>::quiet_NaN();
  if (positives.empty() || negatives.empty()) return {kUndefined, kUndefined, kUndefined};
  sortKeys(positives);
  sortKeys(negatives);

  // Down the scores, one threshold for each different score: the two sorted lists are merged.
  const double p = static_cast<double>(positives.size()), n = static_cast<double>(negatives.size());
  double area = 0, precisions = 0, f1Max = 0;
  size_t tp = 0, fp = 0;
  while (tp < positives.size() || fp < negatives.size()) {
    uint32_t key = std::numeric_limits<uint32_t>::max();
    if (tp < positives.size()) key = std::min(key, positives[tp]);
    if (fp < negatives.size()) key = std::min(key, negatives[fp]);
    const size_t tpBefore = tp, fpBefore = fp;
    while (tp < positives.size() && positives[tp] == key) ++tp;
    while (fp < negatives.size() && negatives[fp] == key) ++fp;
    const double precision = static_cast<double>(tp) / static_cast<double>(tp + fp);
    const double recall = static_cast<double>(tp) / p;
    area += static_cast<double>(fp - fpBefore) * static_cast<double>(tp + tpBefore) / 2;
    precisions += static_cast<double>(tp - tpBefore) * precision;
    f1Max = std::max(f1Max, 2 * precision * recall / (precision + recall + 1e-7));
  }

  return {area / (p * n), precisions / p, f1Max};
}

}  // namespace dinomaly
