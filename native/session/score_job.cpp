#include "session/score_job.h"

#include <algorithm>
#include <utility>

namespace dinomaly {

ScoreJob::ScoreJob(std::function<Dinomaly&()> network, size_t most, ScoreRequest request)
    : network_(std::move(network)), most_(most) {
  requests_.reserve(most_);  // absorbing must not run out of memory
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
  if (requests_.size() + other->requests_.size() > most_) return false;
  for (ScoreRequest& request : other->requests_) requests_.push_back(std::move(request));
  return true;
}

void ScoreJob::run(const CancelToken& cancel) noexcept {
  dropCancelled();
  if (requests_.empty()) return;
  try {
    score(cancel);
  } catch (const Cancelled&) {
    dropCancelled();
    fail(disposedError());  // whoever is left did not cancel: the thread was stopped
  } catch (...) {
    fail(std::current_exception());
  }
}

void ScoreJob::fail(std::exception_ptr error) noexcept {
  for (size_t i = answered_; i < requests_.size(); ++i) requests_[i].done({{}, error});
}

void ScoreJob::dropCancelled() {
  const auto open = requests_.begin() + static_cast<std::ptrdiff_t>(answered_);
  const auto kept = std::stable_partition(open, requests_.end(),
                                          [](const ScoreRequest& request) { return !request.cancel.cancelled(); });
  for (auto request = kept; request != requests_.end(); ++request) {
    request->done({{}, std::make_exception_ptr(Cancelled())});
  }
  requests_.erase(kept, requests_.end());
}

void ScoreJob::score(const CancelToken& cancel) {
  cancel.check();
  const int64_t side = requests_.front().side;
  std::vector<const uint8_t*> pictures;
  for (const ScoreRequest& request : requests_) pictures.push_back(request.pixels.data());
  network_().score(pictures, side, side, cancel, [this](const MapsView& some) {
    for (int64_t i = 0; i < some.count; ++i) answer(some.scores[i], some.maps + i * kMapPixels);
    stopIfNobodyWaits();
  });
}

void ScoreJob::stopIfNobodyWaits() const {
  const auto open = requests_.begin() + static_cast<std::ptrdiff_t>(answered_);
  const auto isCancelled = [](const ScoreRequest& request) { return request.cancel.cancelled(); };
  if (open != requests_.end() && std::all_of(open, requests_.end(), isCancelled)) throw Cancelled();
}

void ScoreJob::answer(float score, const float* map) {
  ScoreRequest& request = requests_[answered_];
  Outcome<Score> outcome;
  if (request.cancel.cancelled()) {
    outcome.error = std::make_exception_ptr(Cancelled());
  } else {
    outcome.value = {score, {map, map + kMapPixels}};
  }
  ++answered_;
  request.done(std::move(outcome));
}

}  // namespace dinomaly
