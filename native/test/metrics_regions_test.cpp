#include <doctest/doctest.h>

#include <random>
#include <string>

#include "metrics/regions.h"

namespace dinomaly {
namespace {

Regions regionsOf(const std::vector<std::string>& rows) {
  std::vector<uint8_t> mask;
  for (const std::string& row : rows) {
    for (char pixel : row) mask.push_back(pixel == '#');
  }
  return findRegions(mask.data(), static_cast<int64_t>(rows[0].size()), static_cast<int64_t>(rows.size()));
}

using Areas = std::vector<int64_t>;

/// For each of a mask's pixels its region, or -1.
std::vector<int64_t> labelsOf(const Regions& regions, size_t pixels) {
  std::vector<int64_t> labels(pixels, -1);
  for (const auto& run : regions.runs) {
    for (int64_t i = run.begin; i < run.end; ++i) labels[static_cast<size_t>(i)] = static_cast<int64_t>(run.region);
  }
  return labels;
}

TEST_CASE("findRegions joins what touches at a corner") {
  CHECK(regionsOf({"#..",  //
                   ".#.",  //
                   "..#"})
            .areas == Areas{3});
  CHECK(regionsOf({"..#",  //
                   ".#.",  //
                   "#.."})
            .areas == Areas{3});
}

TEST_CASE("findRegions keeps apart what a row or column of background parts") {
  const Regions regions = regionsOf({"##.#",  //
                                     "....",  //
                                     "#..#"});
  CHECK(regions.areas == Areas{2, 1, 1, 1});
  CHECK(labelsOf(regions, 12) == std::vector<int64_t>{0, 0, -1, 1, -1, -1, -1, -1, 2, -1, -1, 3});
}

TEST_CASE("findRegions does not join the end of a row with the start of the next") {
  CHECK(regionsOf({"...#",  //
                   "....",  //
                   "#..."})
            .areas == Areas{1, 1});
  CHECK(regionsOf({"...#",  //
                   "#..."})
            .areas == Areas{1, 1});
}

TEST_CASE("findRegions joins branches that meet further down") {
  CHECK(regionsOf({"#.#.#",  //
                   "#.#.#",  //
                   "#.#.#",  //
                   "#####"})
            .areas == Areas{14});
  CHECK(regionsOf({"#####",  //
                   "#....",  //
                   "#.###",  //
                   "#.#.#",  //
                   "#...#",  //
                   "#####"})
            .areas == Areas{20});
}

TEST_CASE("findRegions of nothing, of everything and of one pixel") {
  CHECK(regionsOf({"...", "..."}).areas.empty());
  CHECK(regionsOf({"###", "###"}).areas == Areas{6});
  CHECK(regionsOf({"#"}).areas == Areas{1});
  CHECK(findRegions(nullptr, 0, 0).areas.empty());
}

/// Spreads from a pixel to everything that it touches.
void flood(const std::vector<uint8_t>& mask, int64_t width, int64_t height, int64_t x, int64_t y, int64_t label,
           std::vector<int64_t>& labels) {
  if (x < 0 || y < 0 || x >= width || y >= height) return;
  const auto pixel = static_cast<size_t>(y * width + x);
  if (mask[pixel] == 0 || labels[pixel] >= 0) return;
  labels[pixel] = label;
  for (int64_t dy = -1; dy <= 1; ++dy) {
    for (int64_t dx = -1; dx <= 1; ++dx) flood(mask, width, height, x + dx, y + dy, label, labels);
  }
}

TEST_CASE("findRegions equals flooding, on random masks") {
  std::mt19937 random(1);
  for (int round = 0; round < 200; ++round) {
    const int64_t width = 1 + random() % 20, height = 1 + random() % 20;
    const uint32_t density = 1 + random() % 9;
    std::vector<uint8_t> mask(static_cast<size_t>(width * height));
    for (uint8_t& pixel : mask) pixel = random() % 10 < density ? static_cast<uint8_t>(1 + random() % 255) : 0;
    std::vector<int64_t> labels(mask.size(), -1);
    Areas areas;
    for (int64_t i = 0; i < width * height; ++i) {
      if (mask[static_cast<size_t>(i)] == 0 || labels[static_cast<size_t>(i)] >= 0) continue;
      flood(mask, width, height, i % width, i / width, static_cast<int64_t>(areas.size()), labels);
      areas.push_back(0);
    }
    for (int64_t label : labels) {
      if (label >= 0) ++areas[static_cast<size_t>(label)];
    }
    const Regions regions = findRegions(mask.data(), width, height);
    CHECK(labelsOf(regions, mask.size()) == labels);
    CHECK(regions.areas == areas);
  }
}

}  // namespace
}  // namespace dinomaly
