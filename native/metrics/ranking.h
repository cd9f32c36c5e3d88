// The three metrics that depend on the order of the scores alone; for images and for pixels.
#pragma once

#include <cstdint>

#include "metrics/sorted_scores.h"

namespace dinomaly {

/// All NaN with one class of label only: AUROC is undefined then, and the others are 1 whatever the scores.
struct RankingMetrics {
  double auroc;             ///< area under the ROC curve, equal scores counted half
  double averagePrecision;  ///< sum of (R_n - R_(n-1)) P_n, as sklearn's average_precision_score
  double f1Max;             ///< largest 2PR / (P + R + 1e-7) over all thresholds
};

/// labels, scores (count); label 0 is normal, any other anomalous. Equal scores share one threshold.
/// Throws ERR_INVALID_ARGUMENT when a score is not finite.
RankingMetrics rankingMetrics(const uint8_t* labels, const float* scores, int64_t count);

/// The same of scores that are sorted already.
RankingMetrics rankingMetrics(const SortedScores& sorted);

}  // namespace dinomaly
