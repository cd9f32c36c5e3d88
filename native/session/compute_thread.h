// One thread and the queue of jobs that it works through in order.
#pragma once

#include <condition_variable>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

#include "core/cancel.h"

namespace dinomaly {

/// Exactly one of run and fail is called, once.
class Job {
 public:
  virtual ~Job() = default;
  /// Cancelled when nobody waits for this job any more.
  virtual CancelToken token() const = 0;
  /// Takes over a neighbour in the queue that can be done in the same go, which is then dropped without being called.
  virtual bool absorb(Job& next) = 0;
  /// `cancel` follows token(), and is cancelled too when the thread is stopped.
  virtual void run(const CancelToken& cancel) noexcept = 0;
  virtual void fail(std::exception_ptr error) noexcept = 0;
};

class ComputeThread {
 public:
  /// `atEnd` is the last thing that the thread does, after every job was run or failed. Must not throw.
  explicit ComputeThread(std::function<void()> atEnd);
  /// Stops and waits for what is running to notice.
  ~ComputeThread();

  /// After stop() the job fails with ERR_DISPOSED before the call returns.
  void push(std::unique_ptr<Job> job);
  /// Cancels what is running; what waits fails with ERR_DISPOSED, on the thread. Returns at once. Twice is once.
  void stop() noexcept;

 private:
  void work() noexcept;
  std::unique_ptr<Job> next();
  CancelToken follow(const CancelToken& token);

  std::function<void()> atEnd_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::unique_ptr<Job>> queue_;
  CancelToken running_;
  bool stopped_ = false;
  std::thread thread_;
};

/// ERR_DISPOSED, as jobs of a stopped thread get it.
std::exception_ptr disposedError();

}  // namespace dinomaly
