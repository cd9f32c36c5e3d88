// Cooperative cancellation: whoever waits for a job sets the flag, the job looks at it between operations.
#pragma once

#include <algorithm>
#include <atomic>
#include <exception>
#include <memory>
#include <utility>
#include <vector>

namespace dinomaly {

struct Cancelled : std::exception {
  const char* what() const noexcept override { return "cancelled"; }
};

class CancelToken {
 public:
  CancelToken() : state_(std::make_shared<State>()) {}
  /// A token that is cancelled by itself, or once all of `others` are: for work that several wait for.
  static CancelToken following(std::vector<CancelToken> others) {
    CancelToken token;
    token.state_->others = std::move(others);
    return token;
  }

  void cancel() const noexcept { state_->flag.store(true, std::memory_order_relaxed); }
  bool cancelled() const noexcept {
    if (state_->flag.load(std::memory_order_relaxed)) return true;
    const std::vector<CancelToken>& others = state_->others;
    return !others.empty() && std::all_of(others.begin(), others.end(), [](const auto& o) { return o.cancelled(); });
  }
  /// Throws Cancelled when the flag is set.
  void check() const {
    if (cancelled()) throw Cancelled();
  }

 private:
  struct State {
    std::atomic<bool> flag{false};
    std::vector<CancelToken> others;
  };
  std::shared_ptr<State> state_;  // copies share it
};

}  // namespace dinomaly
