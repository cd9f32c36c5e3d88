#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>
#include <random>

#include "error_code.h"
#include "metrics/pixels.h"
#include "metrics/regions.h"
#include "safetensors_reader.h"

namespace dinomaly {
namespace {

const std::string kGolden = std::string(DINOMALY_ROOT) + "/test/golden/metrics/";

double aupro(const uint8_t* masks, const float* maps, int64_t images, int64_t width, int64_t height) {
  return pixelMetrics(masks, maps, images, width, height).aupro;
}

/// By its definition: every threshold looks at every pixel. NaN where the definition divides by zero or has no curve.
double slowly(const std::vector<uint8_t>& masks, const std::vector<float>& maps, int64_t images, int64_t width,
              int64_t height) {
  const double low = *std::min_element(maps.begin(), maps.end()), high = *std::max_element(maps.begin(), maps.end());
  const double step = (high - low) / 200, normals = static_cast<double>(std::count(masks.begin(), masks.end(), 0));
  if (step == 0) return std::nan("");
  std::vector<double> fpr, pro;
  for (double i = 0; i < std::ceil((high - low) / step); ++i) {
    const float threshold = static_cast<float>(low + i * ((low + step) - low));
    double falsely = 0, overlap = 0, regionCount = 0;
    for (int64_t image = 0; image < images; ++image) {
      const size_t start = static_cast<size_t>(image * width * height);
      const Regions regions = findRegions(masks.data() + start, width, height);
      std::vector<double> above(regions.areas.size());
      for (const auto& run : regions.runs) {
        for (auto i = run.begin; i < run.end; ++i)
          above[run.region] += maps[start + static_cast<size_t>(i)] > threshold;
      }
      for (size_t i = start; i < start + static_cast<size_t>(width * height); ++i) {
        falsely += masks[i] == 0 && maps[i] > threshold;
      }
      for (size_t r = 0; r < above.size(); ++r) overlap += above[r] / static_cast<double>(regions.areas[r]);
      regionCount += static_cast<double>(regions.areas.size());
    }
    if (falsely / normals < 0.3) {
      fpr.push_back(falsely / normals);
      pro.push_back(overlap / regionCount);
    }
  }
  if (fpr.size() < 2) return std::nan("");
  double area = 0;
  const double largest = *std::max_element(fpr.begin(), fpr.end());
  for (size_t i = 1; i < fpr.size(); ++i) {
    area += (fpr[i - 1] / largest - fpr[i] / largest) * (pro[i - 1] + pro[i]) / 2;
  }
  return area;
}

TEST_CASE("aupro equals the golden numbers, ties included") {
  const auto expected = nlohmann::json::parse(std::ifstream(kGolden + "expected.json"));
  for (const std::string name : {"smooth", "tied"}) {
    CAPTURE(name);
    const auto tensors = readSafetensors(kGolden + name + ".safetensors");
    const TestTensor& maps = tensors.at("maps");
    const std::vector<float>& masks = tensors.at("masks").values;
    const std::vector<uint8_t> bytes(masks.begin(), masks.end());
    const double found = aupro(bytes.data(), maps.values.data(), maps.shape[0], maps.shape[2], maps.shape[1]);
    CHECK(std::abs(found - expected.at(name).at("pixel").at("aupro").get<double>()) <= 1e-6);
  }
}

TEST_CASE("aupro equals the definition, whatever is tied, small or far from 0") {
  std::mt19937 random(1);
  int defined = 0;
  for (int round = 0; round < 150; ++round) {
    const int64_t images = 1 + random() % 3, width = 1 + random() % 20, height = 1 + random() % 20;
    const uint32_t levels = 2 + random() % (round % 2 == 0 ? 12 : 100000), density = 1 + random() % 5;
    const float scale = std::vector<float>{1e-6f, 1, 300}[random() % 3], shift = round % 3 == 0 ? -1.0f : 0.0f;
    std::vector<uint8_t> masks(static_cast<size_t>(images * width * height));
    std::vector<float> maps(masks.size());
    for (size_t i = 0; i < maps.size(); ++i) {
      masks[i] = random() % 20 < density;
      maps[i] = shift + scale * static_cast<float>(random() % levels) / static_cast<float>(levels);
    }
    const double wanted = slowly(masks, maps, images, width, height);
    const double found = aupro(masks.data(), maps.data(), images, width, height);
    CAPTURE(wanted);
    CAPTURE(found);
    CHECK(std::isnan(wanted) == std::isnan(found));
    if (std::isnan(wanted)) continue;
    CHECK(std::abs(wanted - found) <= 1e-9);
    ++defined;
  }
  CHECK(defined > 75);
}

TEST_CASE("aupro gives a small region as much weight as a large one") {
  // Ten rows of ten: a region of 20 pixels and one of 1; a fifth of the rest rises as evenly as the thresholds do.
  std::vector<uint8_t> masks(100);
  std::vector<float> maps(100, 0.0f);
  std::fill(masks.begin(), masks.begin() + 20, 1);
  masks[99] = 1;
  for (size_t i = 40; i < 56; ++i) maps[i] = static_cast<float>(i - 39) / 20;
  std::fill(maps.begin(), maps.begin() + 20, 1.0f);
  CHECK(aupro(masks.data(), maps.data(), 1, 10, 10) == doctest::Approx(0.5));  // the small one is never found
  std::swap(maps[99], maps[0]);
  CHECK(aupro(masks.data(), maps.data(), 1, 10, 10) == doctest::Approx((1 + 19.0 / 20) / 2));
}

TEST_CASE("aupro is NaN where undefined") {
  const auto undefined = [](const std::vector<uint8_t>& masks, const std::vector<float>& maps) {
    return std::isnan(aupro(masks.data(), maps.data(), 1, static_cast<int64_t>(maps.size()), 1));
  };
  CHECK(std::isnan(aupro(nullptr, nullptr, 0, 256, 256)));
  CHECK(undefined({1}, {0.5f}));
  CHECK(undefined({0, 0, 0, 0}, {1, 2, 3, 4}));  // no defect
  CHECK(undefined({1, 1, 1, 1}, {1, 2, 3, 4}));  // nothing normal
  CHECK(undefined({0, 1, 0, 0}, {2, 2, 2, 2}));  // no thresholds
  CHECK(undefined({0, 1, 0, 0}, {2, 1, 2, 2}));  // no false positive rate below 0.3
  CHECK(undefined({0, 1, 0, 0}, {1, 2, 1, 1}));  // all rates 0
  CHECK_FALSE(undefined({0, 1, 0, 0, 0}, {1, 4, 1, 3, 1}));
}

TEST_CASE("aupro refuses scores that are not finite") {
  const std::vector<uint8_t> masks = {0, 1};
  for (float score : {std::numeric_limits<float>::quiet_NaN(), -std::numeric_limits<float>::infinity()}) {
    const std::vector<float> maps = {0, score};
    CHECK(errorCode([&] { aupro(masks.data(), maps.data(), 1, 2, 1); }) == "ERR_INVALID_ARGUMENT");
  }
}

}  // namespace
}  // namespace dinomaly
