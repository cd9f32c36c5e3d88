#include <doctest/doctest.h>

#include <algorithm>
#include <limits>
#include <random>
#include <vector>

#include "metrics/sorted_scores.h"

namespace dinomaly {
namespace {

TEST_CASE("SortedScores sorts keys of any range, each list for itself") {
  std::mt19937 random(1);
  for (int bits = 0; bits <= 32; ++bits) {
    CAPTURE(bits);
    const uint32_t largest = static_cast<uint32_t>((uint64_t{1} << bits) - 1);
    for (size_t count : {0, 1, 2, 1000}) {
      SortedScores scores;
      for (size_t i = 0; i < count; ++i) scores.negatives.push_back(static_cast<uint32_t>(random()) & largest);
      for (size_t i = 0; i < 2 * count; ++i) scores.positives.push_back(static_cast<uint32_t>(random()) & largest);
      scores.positives.push_back(largest);
      SortedScores wanted = scores;
      std::sort(wanted.negatives.begin(), wanted.negatives.end());
      std::sort(wanted.positives.begin(), wanted.positives.end());
      scores.sort(largest);
      CHECK(scores.negatives == wanted.negatives);
      CHECK(scores.positives == wanted.positives);
    }
  }
}

TEST_CASE("ScoreRange counts floats down from the highest score") {
  const float huge = std::numeric_limits<float>::max(), tiny = std::numeric_limits<float>::denorm_min();
  const std::vector<float> falling = {huge, 1, tiny, 0, -tiny, -1, -huge};
  const ScoreRange range("scores", falling.data(), static_cast<int64_t>(falling.size()));
  CHECK(range.high() == huge);
  CHECK(range.low() == -huge);
  CHECK(range.key(huge) == 0);
  CHECK(range.key(-huge) == range.largestKey());
  for (size_t i = 1; i < falling.size(); ++i) CHECK(range.key(falling[i - 1]) < range.key(falling[i]));
  CHECK(range.key(tiny) + 1 == range.key(0));
  CHECK(range.key(-0.0f) == range.key(0.0f));
}

TEST_CASE("ScoreRange of one score, and of none") {
  const float score = -0.25f;
  const ScoreRange one("scores", &score, 1), none("scores", nullptr, 0);
  CHECK(one.low() == score);
  CHECK(one.high() == score);
  CHECK(one.largestKey() == 0);
  CHECK(none.low() == none.high());
}

}  // namespace
}  // namespace dinomaly
