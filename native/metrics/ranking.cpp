#include "metrics/ranking.h"

#include <algorithm>
#include <limits>

namespace dinomaly {

RankingMetrics rankingMetrics(const uint8_t* labels, const float* scores, int64_t count) {
  const ScoreRange range("scores", scores, count);
  SortedScores sorted;
  const auto normals = static_cast<size_t>(std::count(labels, labels + count, uint8_t{0}));
  sorted.negatives.reserve(normals);
  sorted.positives.reserve(static_cast<size_t>(count) - normals);
  for (int64_t i = 0; i < count; ++i) {
    (labels[i] != 0 ? sorted.positives : sorted.negatives).push_back(range.key(scores[i]));
  }
  sorted.sort(range.largestKey());
  return rankingMetrics(sorted);
}

RankingMetrics rankingMetrics(const SortedScores& sorted) {
  const auto& [positives, negatives] = sorted;
  constexpr double kUndefined = std::numeric_limits<double>::quiet_NaN();
  if (positives.empty() || negatives.empty()) return {kUndefined, kUndefined, kUndefined};

  // Down the scores, one threshold for each different score of a positive: between two of them only precision falls,
  // and with it F1.
  const double p = static_cast<double>(positives.size()), n = static_cast<double>(negatives.size());
  double wins = 0, precisions = 0, f1Max = 0;
  size_t tp = 0, fp = 0;
  while (tp < positives.size()) {
    const uint32_t key = positives[tp];
    const size_t tpBefore = tp;
    while (tp < positives.size() && positives[tp] == key) ++tp;
    while (fp < negatives.size() && negatives[fp] < key) ++fp;
    const size_t fpAbove = fp;
    while (fp < negatives.size() && negatives[fp] == key) ++fp;
    const double found = static_cast<double>(tp - tpBefore), equal = static_cast<double>(fp - fpAbove);
    const double precision = static_cast<double>(tp) / static_cast<double>(tp + fp);
    const double recall = static_cast<double>(tp) / p;
    wins += found * (n - static_cast<double>(fp) + equal / 2);
    precisions += found * precision;
    f1Max = std::max(f1Max, 2 * precision * recall / (precision + recall + 1e-7));
  }
  return {wins / (p * n), precisions / p, f1Max};
}

}  // namespace dinomaly
