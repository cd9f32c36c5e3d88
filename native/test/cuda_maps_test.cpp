// Anomaly maps and scores on the emulated device, against the plain backend.
#include <limits>

#include "backend/cuda/maps.h"
#include "cuda_support.h"
#include "plain_backend.h"

using namespace dinomaly;
using namespace dinomaly::cuda;

namespace {

constexpr int64_t kPixels = 256 * 256;
constexpr float kInfinity = std::numeric_limits<float>::infinity(), kNaN = std::numeric_limits<float>::quiet_NaN();

void checkMaps(size_t groups, int64_t images, int64_t rows, int64_t cols, int64_t h, int64_t w) {
  CAPTURE(groups);
  CAPTURE(images);
  CAPTURE(rows);
  CAPTURE(cols);
  std::vector<std::vector<float>> distances;
  std::vector<const float*> addresses;
  for (size_t g = 0; g < groups; ++g) distances.push_back(noise(images * rows * cols, static_cast<uint32_t>(g + 1)));
  for (const auto& group : distances) addresses.push_back(group.data());
  const std::vector<float> down = mapAxisWeights(rows, h), across = mapAxisWeights(cols, w);
  const std::vector<float> found = inEveryOrder<float>([&] {
    std::vector<float> maps(static_cast<size_t>(images * kPixels), NAN);
    anomalyMaps(Stream(), maps.data(), addresses, down.data(), across.data(), images, rows, cols);
    return maps;
  });
  std::vector<float> expected(found.size());
  makePlainBackend()->anomalyMaps(expected.data(), addresses.data(), static_cast<int64_t>(addresses.size()), images,
                                  rows, cols, h, w);
  CHECK(difference(found, expected) <= 2e-6f);
}

std::vector<float> scoresOf(const std::vector<float>& maps) {
  return inEveryOrder<float>([&] {
    std::vector<float> scores(maps.size() / kPixels);
    imageScores(Stream(), scores.data(), maps.data(), static_cast<int64_t>(scores.size()));
    return scores;
  });
}

void checkScores(const std::vector<float>& maps) {
  std::vector<float> expected(maps.size() / kPixels);
  makePlainBackend()->imageScores(expected.data(), maps.data(), static_cast<int64_t>(expected.size()));
  CHECK(difference(scoresOf(maps), expected) <= 1e-6f);
}

}  // namespace

TEST_CASE("CUDA's anomaly maps agree with plain loops") {
  checkMaps(1, 1, 1, 1, 14, 14);
  checkMaps(2, 3, 4, 5, 56, 70);
  checkMaps(2, 1, 28, 28, 392, 392);
  checkMaps(1, 1, 37, 29, 518, 406);
}

TEST_CASE("CUDA's anomaly maps of more columns than a block has threads, and of more groups than a launch takes") {
  checkMaps(1, 1, 3, 67, 42, 938);
  checkMaps(17, 2, 5, 3, 70, 42);
  checkMaps(37, 1, 2, 2, 28, 28);
}

TEST_CASE("CUDA's image scores agree with plain loops") {
  checkScores(noise(3 * kPixels, 1));
  std::vector<float> maps = noise(2 * kPixels, 2);
  for (float& v : maps) v = std::floor(v * 8) / 8;  // the 655th is one of thousands
  checkScores(maps);
  std::vector<float> peak(kPixels, 0.0f);
  for (size_t i = 0; i < 700; ++i) peak[i * 90] = i < 600 ? 0.75f : 0.5f;
  checkScores(peak);
  checkScores(std::vector<float>(kPixels, 0.125f));
}

TEST_CASE("CUDA's image scores of maps whose largest values lie together, and of those that go on below") {
  std::vector<float> spot = noise(2 * kPixels, 4);  // which falls off from a point, on noise and on a slope
  for (size_t i = 0; i < spot.size(); ++i) {
    const auto x = static_cast<float>(i % 256), y = static_cast<float>(i / 256 % 256);
    const float far = (x - 70) * (x - 70) + (y - 200) * (y - 200);
    spot[i] = 0.1f * spot[i] + std::exp(-far / 500) + (i < kPixels ? 0 : x / 128);
  }
  checkScores(spot);
  std::vector<float> halves(kPixels, -1.0f);  // more pixels reach the bound than there is room for
  for (size_t i = 0; i < halves.size(); ++i) {
    if (i % 256 < 128) halves[i] = 2.0f + 1e-4f * static_cast<float>(i * 7919 % 1000);
  }
  checkScores(halves);
  std::vector<float> lines(kPixels, -3.0f);  // in 164 packs of four threads
  for (size_t i = 0; i < 656; ++i) lines[i % 16 + i / 16 * 1024] = static_cast<float>(i);
  checkScores(lines);
}

TEST_CASE("CUDA's image score of nothing but NaN, of few other values, and of infinities") {
  std::vector<float> maps(3 * kPixels, kNaN);
  std::fill(maps.begin() + kPixels, maps.begin() + kPixels + 500, 1.0f);
  std::fill(maps.begin() + 2 * kPixels, maps.end(), -kInfinity);
  const std::vector<float> scores = scoresOf(maps);
  CHECK(std::isnan(scores[0]));
  CHECK(std::isnan(scores[1]));
  CHECK(scores[2] == -kInfinity);
}

TEST_CASE("CUDA's image score is NaN if the map has a NaN, and infinite if one of its largest is") {
  std::vector<float> maps = noise(4 * kPixels, 3);
  maps[100] = std::copysign(kNaN, 1.0f);
  maps[kPixels + 65535] = std::copysign(kNaN, -1.0f);
  maps[2 * kPixels + 7] = kInfinity;
  maps[3 * kPixels + 9] = -kInfinity;
  const std::vector<float> scores = scoresOf(maps);
  CHECK(std::isnan(scores[0]));
  CHECK(std::isnan(scores[1]));
  CHECK(scores[2] == kInfinity);
  CHECK(std::isfinite(scores[3]));
}
