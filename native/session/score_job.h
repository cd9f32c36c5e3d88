// Scores of pictures, as many together as wait next to each other.
#pragma once

#include <vector>

#include "model/dinomaly.h"
#include "session/compute_thread.h"
#include "session/outcome.h"

namespace dinomaly {

/// Pictures that go through the network together, in scoring and inference; how many of them are computed at once is
/// the backend's choice (imagesAtOnce). Few enough to bound memory and what is computed for a request that was
/// cancelled.
constexpr int64_t kBatchCap = 8;

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
  /// `network` is called on the compute thread, and may throw.
  ScoreJob(std::function<Dinomaly&()> network, ScoreRequest request);

  /// Cancelled once all requests are.
  CancelToken token() const override;
  /// A score job of the same side, up to kBatchCap requests.
  bool absorb(Job& next) override;
  void run(const CancelToken& cancel) noexcept override;
  void fail(std::exception_ptr error) noexcept override;

 private:
  /// Finishes the requests that were cancelled and forgets them.
  void dropCancelled();
  std::vector<Score> scores(const CancelToken& cancel) const;

  std::function<Dinomaly&()> network_;
  std::vector<ScoreRequest> requests_;
};

}  // namespace dinomaly
