// Dinomaly's scoring of pictures, some of which a device computes while the results of others come back.
#include <algorithm>
#include <utility>

#include "core/error.h"
#include "model/dinomaly.h"

namespace dinomaly {
namespace {

constexpr int64_t kFloat = sizeof(float);

}  // namespace

void Dinomaly::score(const std::vector<const uint8_t*>& pictures, int64_t height, int64_t width,
                     const CancelToken& cancel, const std::function<void(Maps)>& done) {
  Scored before;
  const auto finish = [&] {
    const Scored finished = std::exchange(before, {});
    if (finished.count > 0) done(finishScoring(finished));
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
  const int64_t size = 3 * height * width;
  for (int64_t i = 0; i < s.images.count; ++i) {
    backend_->uploadBytes(s.pixels.get() + i * size, pictures[std::min(i, count - 1)], size);
  }
  backend_->run(s.recording, [&] {
    const Features features = encodeUploaded(s.images, cancel);
    mapsOf(s.maps.get(), s.scores.get(), features, decodeAll(features, cancel), s.images.height, s.images.width);
  });
  return {count, backend_->startDownload(s.maps.get(), count * kMapPixels * kFloat),
          backend_->startDownload(s.scores.get(), count * kFloat)};
}

Maps Dinomaly::finishScoring(const Scored& scored) {
  const auto* const maps = static_cast<const float*>(backend_->finishDownload(scored.maps));
  const auto* const scores = static_cast<const float*>(backend_->finishDownload(scored.scores));
  return {{maps, maps + scored.count * kMapPixels}, {scores, scores + scored.count}};
}

Dinomaly::Scoring& Dinomaly::scoringOf(const ImageShape& shape) {
  const auto found = scorings_.find(shape);
  if (found != scorings_.end()) return found->second;
  if (scorings_.size() == kMostRecordings) forgetScorings();
  const auto [count, height, width] = shape;
  Bytes pixels = std::static_pointer_cast<uint8_t>(backend_->allocateBytes(count * 3 * height * width));
  const Images images{pixels.get(), nullptr, count, height, width};
  return scorings_[shape] = {++recordings_, images, std::move(pixels), backend_->allocate(count * kMapPixels),
                             backend_->allocate(count)};
}

void Dinomaly::forgetScorings() {
  for (const auto& [shape, scoring] : scorings_) backend_->forget(scoring.recording);
  scorings_.clear();
}

}  // namespace dinomaly
