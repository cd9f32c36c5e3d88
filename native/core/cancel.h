// Cooperative cancellation: whoever waits for a job sets the flag, the job looks at it between operations.
#pragma once

#include <atomic>
#include <exception>
#include <memory>

namespace dinomaly {

struct Cancelled : std::exception {
  const char* what() const noexcept override { return "cancelled"; }
};

class CancelToken {
 public:
  CancelToken() : flag_(std::make_shared<std::atomic<bool>>(false)) {}
  void cancel() const noexcept { flag_->store(true, std::memory_order_relaxed); }
  bool cancelled() const noexcept { return flag_->load(std::memory_order_relaxed); }
  /// Throws Cancelled when the flag is set.
  void check() const {
    if (cancelled()) throw Cancelled();
  }

 private:
  std::shared_ptr<std::atomic<bool>> flag_;  // copies share it
};

}  // namespace dinomaly
