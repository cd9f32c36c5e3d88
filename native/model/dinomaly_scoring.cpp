// Dinomaly's scoring of pictures, some of which a device computes while the results of others come back.
#include <algorithm>
#include <utility>

#include "core/error.h"
#include "model/dinomaly.h"

namespace dinomaly {
namespace {

constexpr int64_t kFloat = sizeof(float);
constexpr int64_t kResultFloats = kMapPixels + 1;  // of a picture: all maps, and behind them all scores

template <typename Float>
Float* scoresBehind(Float* maps, int64_t pictures) {
  return maps + pictures * kMapPixels;
}

}  // namespace

void Maps::add(const MapsView& more) {
  maps.insert(maps.end(), more.maps, more.maps + more.count * kMapPixels);
  scores.insert(scores.end(), more.scores, more.scores + more.count);
}

void Dinomaly::score(const std::vector<const uint8_t*>& pictures, int64_t height, int64_t width,
                     const CancelToken& cancel, const std::function<void(const MapsView&)>& done) {
  Scored before;
  const auto finish = [&] {
    const Scored finished = std::exchange(before, {});
    if (finished.count == 0) return;
    const auto* const maps = static_cast<const float*>(backend_->finishDownload(finished.results));
    done({maps, scoresBehind(maps, finished.computed), finished.count});
  };
  const auto all = static_cast<int64_t>(pictures.size());
  for (int64_t first = 0; first < all;) {
    const int64_t count = std::min(scoredAtOnce_, all - first);
    Scored next;
    try {
      withAllMemory([&] { next = startScoring(pictures.data() + first, count, height, width, cancel); });
    } catch (const Error& error) {
      finish();  // what was computed is told, whatever becomes of the rest
      if (error.code() != "ERR_OUT_OF_MEMORY" || count == 1) throw;
      scoredAtOnce_ = (count + 1) / 2;
      continue;
    }
    first += count;
    finish();
    before = std::move(next);
  }
  finish();
}

Dinomaly::Scored Dinomaly::startScoring(const uint8_t* const* pictures, int64_t count, int64_t height, int64_t width,
                                        const CancelToken& cancel) {
  // A device gets 1, 2, 4... of them, the last one repeated, so that few shapes are recorded.
  int64_t padded = 1;
  while (padded < count) padded *= 2;
  const Scoring& s = scoringOf({std::min(padded, scoredAtOnce_), height, width});
  uploadPictures(s.pixels, s.images, pictures, count);
  backend_->run(s.recording, [&] {
    const Features features = encodeUploaded(s.images, cancel);
    mapsOf(s.results.get(), scoresBehind(s.results.get(), s.images.count), features, decodeAll(features, cancel),
           s.images.height, s.images.width);
  });
  return {count, s.images.count, backend_->startDownload(s.results.get(), s.images.count * kResultFloats * kFloat)};
}

Dinomaly::Scoring& Dinomaly::scoringOf(const ImageShape& shape) {
  const auto found = scorings_.find(shape);
  if (found != scorings_.end()) return found->second;
  if (scorings_.size() == kMostRecordings) forgetScorings();
  const auto [count, height, width] = shape;
  Bytes pixels = std::static_pointer_cast<uint8_t>(backend_->allocateBytes(count * 3 * height * width));
  const Images images{pixels.get(), nullptr, count, height, width};
  return scorings_[shape] = {++recordings_, images, std::move(pixels), backend_->allocate(count * kResultFloats)};
}

void Dinomaly::forgetScorings() {
  for (const auto& [shape, scoring] : scorings_) backend_->forget(scoring.recording);
  scorings_.clear();
}

}  // namespace dinomaly
