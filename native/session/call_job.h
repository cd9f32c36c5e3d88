// A job that calls one function and hands on what it returns.
#pragma once

#include <functional>
#include <utility>

#include "session/compute_thread.h"
#include "session/outcome.h"

namespace dinomaly {

template <typename T>
class CallJob : public Job {
 public:
  CallJob(CancelToken token, std::function<T(const CancelToken&)> call, Done<T> done)
      : token_(std::move(token)), call_(std::move(call)), done_(std::move(done)) {}

  CancelToken token() const override { return token_; }
  bool absorb(Job&) override { return false; }

  void run(const CancelToken& cancel) noexcept override {
    Outcome<T> outcome;
    try {
      cancel.check();
      outcome.value = call_(cancel);
    } catch (const Cancelled&) {
      // Not by its own token: the thread was stopped.
      outcome.error = token_.cancelled() ? std::current_exception() : disposedError();
    } catch (...) {
      outcome.error = std::current_exception();
    }
    done_(std::move(outcome));
  }

  void fail(std::exception_ptr error) noexcept override { done_({{}, std::move(error)}); }

 private:
  CancelToken token_;
  std::function<T(const CancelToken&)> call_;
  Done<T> done_;
};

}  // namespace dinomaly
