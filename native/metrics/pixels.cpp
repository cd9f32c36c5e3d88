#include "metrics/pixels.h"

#include <algorithm>

#include "metrics/region_overlap.h"
#include "metrics/regions.h"

namespace dinomaly {
namespace {

/// Writes the keys of one picture's pixels: those of its regions to one place, those between them to another.
class KeyWriter {
 public:
  KeyWriter(const ScoreRange& range, SortedScores& scores)
      : range_(range), positives_(scores.positives.data()), negatives_(scores.negatives.data()) {}

  void add(const Regions& regions, const float* map, int64_t pixels) {
    int64_t normal = 0;
    for (const auto& run : regions.runs) {
      negatives_ = write(map + normal, map + run.begin, negatives_);
      positives_ = write(map + run.begin, map + run.end, positives_);
      normal = run.end;
    }
    negatives_ = write(map + normal, map + pixels, negatives_);
  }

 private:
  uint32_t* write(const float* begin, const float* end, uint32_t* to) const {
    return std::transform(begin, end, to, [range = range_](float score) { return range.key(score); });
  }

  const ScoreRange range_;
  uint32_t *positives_, *negatives_;
};

}  // namespace

PixelMetrics pixelMetrics(const uint8_t* masks, const float* maps, int64_t images, int64_t width, int64_t height) {
  const int64_t pixels = width * height, count = images * pixels;
  const ScoreRange range("maps", maps, count);
  const int64_t normals = std::count(masks, masks + count, uint8_t{0});
  SortedScores scores;
  scores.negatives.resize(static_cast<size_t>(normals));
  scores.positives.resize(static_cast<size_t>(count - normals));

  KeyWriter keys(range, scores);
  RegionOverlap overlap(range);
  for (int64_t image = 0; image < images; ++image, masks += pixels, maps += pixels) {
    const Regions regions = findRegions(masks, width, height);
    keys.add(regions, maps, pixels);
    overlap.add(regions, maps);
  }
  scores.sort(range.largestKey());
  return {rankingMetrics(scores), overlap.aupro(scores.negatives)};
}

}  // namespace dinomaly
