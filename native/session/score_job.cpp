#include "session/score_job.h"

#include <algorithm>
#include <utility>

namespace dinomaly {

ScoreJob::ScoreJob(std::function<Dinomaly&()> network, ScoreRequest request) : network_(std::move(network)) {
  requests_.reserve(kBatchCap);  // absorbing must not run out of memory
  requests_.push_back(std::move(request));
}

CancelToken ScoreJob::token() const {
  std::vector<CancelToken> tokens;
  for (const ScoreRequest& request : requests_) tokens.push_back(request.cancel);
  return CancelToken::following(std::move(tokens));
}

bool ScoreJob::absorb(Job& next) {
  auto* other = dynamic_cast<ScoreJob*>(&next);
  if (other == nullptr || other->requests_.front().side != requests_.front().side) return false;
  if (static_cast<int64_t>(requests_.size() + other->requests_.size()) > kBatchCap) return false;
  for (ScoreRequest& request : other->requests_) requests_.push_back(std::move(request));
  return true;
}

void ScoreJob::run(const CancelToken& cancel) noexcept {
  dropCancelled();
  if (requests_.empty()) return;
  try {
    std::vector<Score> results = scores(cancel);
    for (size_t i = 0; i < requests_.size(); ++i) {
      const bool cancelled = requests_[i].cancel.cancelled();
      requests_[i].done(cancelled ? Outcome<Score>{{}, std::make_exception_ptr(Cancelled())}
                                  : Outcome<Score>{std::move(results[i]), nullptr});
    }
  } catch (const Cancelled&) {
    dropCancelled();
    fail(disposedError());  // whoever is left did not cancel: the thread was stopped
  } catch (...) {
    fail(std::current_exception());
  }
}

void ScoreJob::fail(std::exception_ptr error) noexcept {
  for (ScoreRequest& request : requests_) request.done({{}, error});
}

void ScoreJob::dropCancelled() {
  const auto kept = std::stable_partition(requests_.begin(), requests_.end(),
                                          [](const ScoreRequest& request) { return !request.cancel.cancelled(); });
  for (auto request = kept; request != requests_.end(); ++request) {
    request->done({{}, std::make_exception_ptr(Cancelled())});
  }
  requests_.erase(kept, requests_.end());
}

std::vector<Score> ScoreJob::scores(const CancelToken& cancel) const {
  cancel.check();
  const int64_t side = requests_.front().side;
  std::vector<uint8_t> pixels;
  pixels.reserve(requests_.size() * requests_.front().pixels.size());
  for (const ScoreRequest& request : requests_) {
    pixels.insert(pixels.end(), request.pixels.begin(), request.pixels.end());
  }
  Images images;
  images.pixels = pixels.data();
  images.count = static_cast<int64_t>(requests_.size());
  images.height = images.width = side;

  Dinomaly& network = network_();
  const Features features = network.encode(images, cancel);
  const Maps maps = network.maps(features, network.decode(features, cancel), side, side);
  constexpr int64_t mapSize = kMapSide * kMapSide;
  std::vector<Score> results(requests_.size());
  for (size_t i = 0; i < results.size(); ++i) {
    const auto map = maps.maps.begin() + static_cast<int64_t>(i) * mapSize;
    results[i] = {maps.scores[i], std::vector<float>(map, map + mapSize)};
  }
  return results;
}

}  // namespace dinomaly
