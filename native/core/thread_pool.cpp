#include "core/thread_pool.h"

#include <algorithm>
#include <string>
#include <system_error>
#include <utility>

#include "core/error.h"

namespace dinomaly {
namespace {

constexpr int kSpins = 4000;  // about 0.1 ms: longer than a thread waits for the others' last pieces

inline void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

}  // namespace

ThreadPool::ThreadPool(int threads) : shares_(static_cast<size_t>(std::max(threads, 1))) {
  try {
    for (size_t i = 1; i < shares_.size(); ++i) workers_.emplace_back([this, i] { work(i); });
  } catch (const std::system_error& e) {
    end();
    throw Error("ERR_OUT_OF_MEMORY", "expected " + std::to_string(threads) + " threads, found that the system starts " +
                                         "no more (" + e.what() + "): ask for fewer");
  } catch (...) {  // out of memory: threads must be joined before they are destroyed
    end();
    throw;
  }
}

ThreadPool::~ThreadPool() {
  end();
}

void ThreadPool::end() {
  ended_ = true;
  begin();
  for (std::thread& worker : workers_) worker.join();
}

void ThreadPool::begin() {
  ++loops_;
  if (asleep_ == 0) return;
  { std::lock_guard<std::mutex> lock(mutex_); }  // so that whoever saw the loops before this hears what follows
  begun_.notify_all();
}

void ThreadPool::run(int64_t count, const std::function<void(int64_t)>& body) {
  if (count <= 1 || workers_.empty()) {
    for (int64_t i = 0; i < count; ++i) body(i);
    return;
  }
  for (int64_t i = 0; i < size(); ++i) {
    Share& share = shares_[static_cast<size_t>(i)];
    share.next.store(i * count / size(), std::memory_order_relaxed);
    share.end = (i + 1) * count / size();
  }
  body_ = &body;
  begin();
  takePart(0, body);
  body_ = nullptr;  // Whoever has not come by now finds nothing to take part in: only those inside are waited for.
  for (int spin = 0; spin < kSpins && inside_ > 0; ++spin) pause();
  if (inside_ > 0) {
    std::unique_lock<std::mutex> lock(mutex_);
    awaited_ = true;
    left_.wait(lock, [this] { return inside_ == 0; });
    awaited_ = false;
  }
  if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
}

void ThreadPool::takePart(size_t thread, const std::function<void(int64_t)>& body) {
  for (size_t other = 0; other < shares_.size(); ++other) {
    Share& share = shares_[(thread + other) % shares_.size()];
    for (int64_t i; (i = share.next.fetch_add(1, std::memory_order_relaxed)) < share.end;) {
      try {
        body(i);
      } catch (...) {
        std::lock_guard<std::mutex> lock(mutex_);
        if (!failure_) failure_ = std::current_exception();
      }
    }
  }
}

void ThreadPool::awaitLoop(uint64_t seen) {
  for (int spin = 0; spin < kSpins; ++spin) {
    if (loops_.load(std::memory_order_acquire) != seen) return;
    pause();
  }
  std::unique_lock<std::mutex> lock(mutex_);
  ++asleep_;
  begun_.wait(lock, [&] { return loops_ != seen; });
  --asleep_;
}

void ThreadPool::work(size_t thread) {
  for (uint64_t seen = 0;;) {
    awaitLoop(seen);
    ++inside_;  // before looking for what to do, as the caller looks for who is inside after it has taken that away
    seen = loops_;
    if (ended_) return;
    if (const std::function<void(int64_t)>* body = body_) takePart(thread, *body);
    if (--inside_ > 0 || !awaited_) continue;
    { std::lock_guard<std::mutex> lock(mutex_); }
    left_.notify_one();
  }
}

}  // namespace dinomaly
