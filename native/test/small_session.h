// What tests of sessions and of models on failing devices share: a small network, its pictures, waiting for jobs.
#pragma once

#include <future>
#include <utility>
#include <vector>

#include "core/philox.h"
#include "session/session.h"

namespace dinomaly {

constexpr int64_t kSide = 56;

inline ModelConfig smallConfig() {
  ModelConfig config;
  config.encoder.dim = 32;
  config.encoder.heads = 2;
  config.encoder.depth = 4;
  config.encoder.grid = 5;
  config.encoder.registers = 1;
  config.encoder.targets = {1, 2};
  config.decoderDepth = 2;
  config.groups = {{0}, {1}};
  return config;
}

inline std::vector<uint8_t> picture(uint32_t seed, int64_t side = kSide) {
  std::vector<uint8_t> pixels(static_cast<size_t>(side * side * 3));
  for (size_t i = 0; i < pixels.size(); ++i) {
    pixels[i] = static_cast<uint8_t>(philox({static_cast<uint32_t>(i), 0, 0, 0}, seed, 0)[0]);
  }
  return pixels;
}

/// Calls `start` with a callback and waits for what it is called with.
template <typename T, typename Start>
T wait(const Start& start) {
  std::promise<T> promise;
  start([&promise](Outcome<T> outcome) {
    if (outcome.error) {
      promise.set_exception(outcome.error);
    } else {
      promise.set_value(std::move(outcome.value));
    }
  });
  return promise.get_future().get();
}

inline void initialise(Session& session) {
  wait<Nothing>([&](auto done) { session.initialise(true, 1, done); });
}

inline TrainingOptions shortRun() {
  TrainingOptions options;
  options.schedule.iterations = 8;
  options.schedule.warmup = 2;
  options.schedule.discardWarmup = 4;
  return options;
}

inline TrainingBatch pictures(const std::vector<int64_t>& ids, bool withPixels) {
  TrainingBatch batch;
  for (const int64_t id : ids) {
    batch.pictures.push_back({id, withPixels ? picture(static_cast<uint32_t>(id)) : std::vector<uint8_t>()});
  }
  return batch;
}

}  // namespace dinomaly
