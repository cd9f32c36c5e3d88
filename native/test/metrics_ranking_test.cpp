#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>
#include <random>
#include <set>

#include "error_code.h"
#include "metrics/ranking.h"
#include "safetensors_reader.h"

namespace dinomaly {
namespace {

const std::string kGolden = std::string(DINOMALY_ROOT) + "/test/golden/metrics/";

RankingMetrics metricsOf(const std::vector<uint8_t>& labels, const std::vector<float>& scores) {
  return rankingMetrics(labels.data(), scores.data(), static_cast<int64_t>(labels.size()));
}

/// By their definitions: every pair for AUROC, every threshold for the other two.
RankingMetrics slowly(const std::vector<uint8_t>& labels, const std::vector<float>& scores) {
  const auto positives = static_cast<double>(std::count(labels.begin(), labels.end(), 1));
  const double negatives = static_cast<double>(labels.size()) - positives;
  double wins = 0;
  for (size_t i = 0; i < labels.size(); ++i) {
    for (size_t j = 0; j < labels.size(); ++j) {
      if (labels[i] == 0 || labels[j] != 0) continue;
      wins += scores[i] > scores[j] ? 1 : scores[i] == scores[j] ? 0.5 : 0;
    }
  }
  RankingMetrics metrics{wins / (positives * negatives), 0, 0};
  double recallBefore = 0;
  for (float threshold : std::set<float, std::greater<float>>(scores.begin(), scores.end())) {
    double found = 0, truly = 0;
    for (size_t i = 0; i < labels.size(); ++i) {
      if (scores[i] < threshold) continue;
      ++found;
      truly += labels[i];
    }
    const double precision = truly / found, recall = truly / positives;
    metrics.averagePrecision += (recall - recallBefore) * precision;
    metrics.f1Max = std::max(metrics.f1Max, 2 * precision * recall / (precision + recall + 1e-7));
    recallBefore = recall;
  }
  return metrics;
}

void checkNear(const RankingMetrics& found, double auroc, double averagePrecision, double f1Max, double tolerance) {
  CHECK(std::abs(found.auroc - auroc) <= tolerance);
  CHECK(std::abs(found.averagePrecision - averagePrecision) <= tolerance);
  CHECK(std::abs(found.f1Max - f1Max) <= tolerance);
}

TEST_CASE("rankingMetrics equals the golden numbers, ties included") {
  const auto expected = nlohmann::json::parse(std::ifstream(kGolden + "expected.json"));
  for (const std::string name : {"smooth", "tied"}) {
    CAPTURE(name);
    const auto tensors = readSafetensors(kGolden + name + ".safetensors");
    const auto check = [&](const std::string& labels, const std::string& scores, const nlohmann::json& wanted) {
      const std::vector<float>& values = tensors.at(labels).values;
      checkNear(metricsOf({values.begin(), values.end()}, tensors.at(scores).values), wanted.at("auroc"),
                wanted.at("ap"), wanted.at("f1Max"), 1e-6);
    };
    check("labels", "scores", expected.at(name).at("image"));
    check("masks", "maps", expected.at(name).at("pixel"));
  }
}

TEST_CASE("rankingMetrics equals the definitions, whatever is tied") {
  std::mt19937 random(1);
  for (int round = 0; round < 200; ++round) {
    const size_t count = 2 + random() % 60;
    const int levels = 1 + static_cast<int>(random() % 8);
    std::vector<uint8_t> labels(count);
    std::vector<float> scores(count);
    for (size_t i = 0; i < count; ++i) {
      labels[i] = random() % 3 == 0;
      scores[i] = static_cast<float>(static_cast<int>(random() % 8) % levels - 3) * 0.37f;
    }
    labels[0] = 1;
    labels[1] = 0;
    const RankingMetrics wanted = slowly(labels, scores);
    checkNear(metricsOf(labels, scores), wanted.auroc, wanted.averagePrecision, wanted.f1Max, 1e-12);
  }
}

TEST_CASE("rankingMetrics orders negative, tiny and huge scores") {
  const float tiny = std::numeric_limits<float>::denorm_min(), huge = std::numeric_limits<float>::max();
  const std::vector<float> rising = {-huge, -1, -tiny, 0, tiny, 1, huge};
  for (size_t split = 1; split < rising.size(); ++split) {
    std::vector<uint8_t> labels(rising.size());
    std::fill(labels.begin() + static_cast<std::ptrdiff_t>(split), labels.end(), 1);
    CHECK(metricsOf(labels, rising).auroc == 1);
    CHECK(metricsOf(labels, rising).averagePrecision == 1);
  }
  CHECK(metricsOf({0, 1}, {0.0f, -0.0f}).auroc == 0.5);
}

TEST_CASE("rankingMetrics takes any label but 0 as anomalous") {
  CHECK(metricsOf({0, 255, 1, 0}, {1, 4, 3, 2}).auroc == 1);
}

TEST_CASE("rankingMetrics of equal scores is chance") {
  const RankingMetrics metrics = metricsOf({1, 0, 0, 0}, {2, 2, 2, 2});
  CHECK(metrics.auroc == 0.5);
  CHECK(metrics.averagePrecision == 0.25);
  CHECK(metrics.f1Max == doctest::Approx(0.4).epsilon(1e-6));
}

TEST_CASE("rankingMetrics is NaN where undefined") {
  for (const auto& [labels, scores] :
       {std::pair<std::vector<uint8_t>, std::vector<float>>{{}, {}}, {{0}, {1}}, {{0, 0}, {1, 2}}}) {
    const RankingMetrics metrics = metricsOf(labels, scores);
    CHECK(std::isnan(metrics.auroc));
    CHECK(std::isnan(metrics.averagePrecision));
    CHECK(std::isnan(metrics.f1Max));
  }
  const RankingMetrics onlyAnomalous = metricsOf({1, 1}, {1, 2});
  CHECK(std::isnan(onlyAnomalous.auroc));
  CHECK(std::isnan(onlyAnomalous.averagePrecision));
  CHECK(std::isnan(onlyAnomalous.f1Max));
}

TEST_CASE("rankingMetrics refuses scores that are not finite") {
  for (float score : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    CHECK(errorCode([&] { metricsOf({0, 1}, {0, score}); }) == "ERR_INVALID_ARGUMENT");
  }
}

}  // namespace
}  // namespace dinomaly
