#include "session/compute_thread.h"

#include <new>
#include <string>
#include <system_error>
#include <utility>

#include "core/error.h"

namespace dinomaly {

std::exception_ptr disposedError() {
  return std::make_exception_ptr(
      Error("ERR_DISPOSED", "The model was disposed of. Expected: a model in use. Create or load another one."));
}

ComputeThread::ComputeThread(std::function<void()> atEnd) : atEnd_(std::move(atEnd)) {
  try {
    thread_ = std::thread([this] { work(); });
  } catch (const std::system_error& e) {
    throw Error("ERR_OUT_OF_MEMORY", std::string("No thread could be started for the model: ") + e.what());
  }
}

ComputeThread::~ComputeThread() {
  stop();
  thread_.join();
}

void ComputeThread::push(std::unique_ptr<Job> job) {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (!stopped_) {
      queue_.push_back(std::move(job));
      wake_.notify_one();
      return;
    }
  }
  job->fail(disposedError());
}

void ComputeThread::stop() noexcept {
  std::lock_guard<std::mutex> lock(mutex_);
  stopped_ = true;
  running_.cancel();
  wake_.notify_one();
}

std::unique_ptr<Job> ComputeThread::next() {
  std::unique_lock<std::mutex> lock(mutex_);
  wake_.wait(lock, [this] { return stopped_ || !queue_.empty(); });
  if (stopped_) return nullptr;
  std::unique_ptr<Job> job = std::move(queue_.front());
  queue_.pop_front();
  while (!queue_.empty() && job->absorb(*queue_.front())) queue_.pop_front();
  return job;
}

CancelToken ComputeThread::follow(const CancelToken& token) {
  const CancelToken running = CancelToken::following({token});
  std::lock_guard<std::mutex> lock(mutex_);
  if (stopped_) running.cancel();
  return running_ = running;
}

void ComputeThread::work() noexcept {
  while (const std::unique_ptr<Job> job = next()) {
    try {
      job->run(follow(job->token()));
    } catch (const std::bad_alloc&) {  // from follow
      job->fail(std::current_exception());
    }
  }
  // Nothing is added any more once stopped_ is set, so the queue is this thread's alone.
  for (const std::unique_ptr<Job>& job : queue_) job->fail(disposedError());
  queue_.clear();
  atEnd_();
}

}  // namespace dinomaly
