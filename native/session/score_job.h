// Scores of pictures, as many together as wait next to each other.
#pragma once

#include <vector>

#include "model/dinomaly.h"
#include "session/compute_thread.h"
#include "session/outcome.h"

namespace dinomaly {

struct Score {
  float score = 0;
  std::vector<float> map;  // (256, 256)
};

struct ScoreRequest {
  std::vector<uint8_t> pixels;  // (side, side, 3) RGB
  int64_t side;
  CancelToken cancel;
  Done<Score> done;
};

class ScoreJob : public Job {
 public:
  /// `network` is called on the compute thread, and may throw. most: requests that one job may take.
  ScoreJob(std::function<Dinomaly&()> network, size_t most, ScoreRequest request);

  /// Cancelled once all requests are.
  CancelToken token() const override;
  /// A score job of the same side, up to `most` requests.
  bool absorb(Job& next) override;
  void run(const CancelToken& cancel) noexcept override;
  void fail(std::exception_ptr error) noexcept override;

 private:
  /// Finishes the requests that were cancelled and forgets them.
  void dropCancelled();
  void score(const CancelToken& cancel);
  /// token() waits for those too that have been answered.
  void stopIfNobodyWaits() const;
  /// The next of the requests.
  void answer(float score, const float* map);

  std::function<Dinomaly&()> network_;
  size_t most_;
  std::vector<ScoreRequest> requests_;
  size_t answered_ = 0;  // of them
};

}  // namespace dinomaly
