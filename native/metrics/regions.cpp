#include "metrics/regions.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace dinomaly {
namespace {

/// Union-find over runs: every parent comes before its child, so that a root is its region's first run.
size_t findRoot(std::vector<size_t>& parents, size_t run) {
  while (parents[run] != run) {
    parents[run] = parents[parents[run]];  // halves the path for the next search
    run = parents[run];
  }
  return run;
}

void unite(std::vector<size_t>& parents, size_t a, size_t b) {
  const size_t rootA = findRoot(parents, a), rootB = findRoot(parents, b);
  parents[std::max(rootA, rootB)] = std::min(rootA, rootB);
}

/// The first pixel from `begin` on that is not 0, or `end`. Most of a mask is 0: eight pixels at a time.
int64_t nextDefect(const uint8_t* mask, int64_t begin, int64_t end) {
  uint64_t eight = 0;
  while (end - begin >= 8 && (std::memcpy(&eight, mask + begin, sizeof eight), eight) == 0) begin += 8;
  return std::find_if(mask + begin, mask + end, [](uint8_t pixel) { return pixel != 0; }) - mask;
}

/// Unites each run of a row, from `row` on, with those of the row above, from `above` on, that it touches.
void uniteWithRowAbove(const std::vector<Regions::Run>& runs, size_t above, size_t row, int64_t width,
                       std::vector<size_t>& parents) {
  const size_t aboveEnd = row;
  for (size_t run = row; run < runs.size(); ++run) {
    while (above < aboveEnd && runs[above].end + width < runs[run].begin) ++above;
    for (size_t other = above; other < aboveEnd && runs[other].begin + width <= runs[run].end; ++other) {
      unite(parents, run, other);
    }
  }
}

}  // namespace

Regions findRegions(const uint8_t* mask, int64_t width, int64_t height) {
  Regions regions;
  std::vector<Regions::Run>& runs = regions.runs;
  std::vector<size_t> parents;
  size_t row = 0;
  for (int64_t y = 0; y < height; ++y) {
    const size_t above = std::exchange(row, runs.size());
    const int64_t rowEnd = (y + 1) * width;
    for (int64_t begin = y * width, end; (begin = nextDefect(mask, begin, rowEnd)) < rowEnd; begin = end) {
      end = std::find(mask + begin, mask + rowEnd, uint8_t{0}) - mask;
      parents.push_back(runs.size());
      runs.push_back({begin, end, 0});
    }
    uniteWithRowAbove(runs, above, row, width, parents);
  }

  for (size_t i = 0; i < runs.size(); ++i) {
    const size_t root = findRoot(parents, i);
    if (root == i) {
      runs[i].region = regions.areas.size();
      regions.areas.push_back(0);
    }
    runs[i].region = runs[root].region;
    regions.areas[runs[i].region] += runs[i].end - runs[i].begin;
  }
  return regions;
}

}  // namespace dinomaly
