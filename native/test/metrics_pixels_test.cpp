#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "core/error.h"
#include "metrics/pixels.h"

namespace dinomaly {
namespace {

bool same(double a, double b) {
  return a == b || (std::isnan(a) && std::isnan(b));
}

TEST_CASE("pixelMetrics ranks as rankingMetrics does, to the bit, at any size") {
  std::mt19937 random(1);
  for (int round = 0; round < 100; ++round) {
    const int64_t images = 1 + random() % 3, width = 1 + random() % 40, height = 1 + random() % 40;
    const uint32_t levels = std::vector<uint32_t>{1, 7, 100000}[random() % 3], density = random() % 21;
    std::vector<uint8_t> masks(static_cast<size_t>(images * width * height));
    std::vector<float> maps(masks.size());
    for (size_t i = 0; i < maps.size(); ++i) {
      masks[i] = random() % 20 < density ? static_cast<uint8_t>(1 + random() % 255) : 0;
      maps[i] = static_cast<float>(random() % levels) - 3;
    }
    const PixelMetrics found = pixelMetrics(masks.data(), maps.data(), images, width, height);
    const RankingMetrics wanted = rankingMetrics(masks.data(), maps.data(), static_cast<int64_t>(maps.size()));
    CHECK(same(found.ranking.auroc, wanted.auroc));
    CHECK(same(found.ranking.averagePrecision, wanted.averagePrecision));
    CHECK(same(found.ranking.f1Max, wanted.f1Max));
  }
}

TEST_CASE("pixelMetrics of equal scores ranks by chance and has no AUPRO") {
  const std::vector<uint8_t> masks = {1, 0, 0, 0};
  const std::vector<float> maps(4, -2.0f);
  const PixelMetrics metrics = pixelMetrics(masks.data(), maps.data(), 1, 2, 2);
  CHECK(metrics.ranking.auroc == 0.5);
  CHECK(metrics.ranking.averagePrecision == 0.25);
  CHECK(std::isnan(metrics.aupro));
}

TEST_CASE("pixelMetrics is NaN with one class of pixels, and with none") {
  for (uint8_t label : {0, 1}) {
    const std::vector<uint8_t> masks(6, label);
    const std::vector<float> maps = {1, 2, 3, 4, 5, 6};
    const PixelMetrics metrics = pixelMetrics(masks.data(), maps.data(), 2, 3, 1);
    CHECK(std::isnan(metrics.ranking.auroc));
    CHECK(std::isnan(metrics.aupro));
  }
  CHECK(std::isnan(pixelMetrics(nullptr, nullptr, 0, 256, 256).ranking.auroc));
}

TEST_CASE("pixelMetrics tells where a score is not finite") {
  const std::vector<uint8_t> masks = {0, 1, 0};
  for (float score : {std::numeric_limits<float>::quiet_NaN(), -std::numeric_limits<float>::quiet_NaN(),
                      std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::infinity()}) {
    const std::vector<float> maps = {0, 1, score};
    std::string message;
    try {
      pixelMetrics(masks.data(), maps.data(), 1, 3, 1);
    } catch (const Error& error) {
      message = error.what();
    }
    CHECK(message.find("maps: expected finite numbers") != std::string::npos);
    CHECK(message.find("at index 2") != std::string::npos);
  }
}

}  // namespace
}  // namespace dinomaly
