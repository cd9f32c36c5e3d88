// The threads of one model's kernels. They spin for tens of microseconds for the next loop before they sleep, so a
// machine that has other work to do is not kept from it.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace dinomaly {

class ThreadPool {
 public:
  /// `threads` in all, the caller of run() being one. Throws ERR_OUT_OF_MEMORY when the system starts no more.
  explicit ThreadPool(int threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  /// Calls body(i) once for each i below count, on any thread, and returns when all are done. Rethrows the first
  /// exception. One caller at a time; not from inside a body.
  void run(int64_t count, const std::function<void(int64_t)>& body);

  /// run() with body(begin, end) over blocks of `block` items; the blocks do not depend on the number of threads.
  template <typename Body>
  void runBlocks(int64_t size, int64_t block, const Body& body) {
    run((size + block - 1) / block, [&](int64_t i) {
      const int64_t begin = i * block;
      body(begin, begin + block < size ? begin + block : size);
    });
  }

 private:
  void work();
  void takePart(const std::function<void(int64_t)>& body);
  void end();

  std::mutex mutex_;
  std::condition_variable begun_, left_;
  const std::function<void(int64_t)>* body_ = nullptr;  // null between loops
  int inside_ = 0;                                      // workers taking part in the loop
  bool ended_ = false;
  std::exception_ptr failure_;
  std::atomic<uint64_t> loops_{0};  // begun so far: what waiting workers look at
  std::atomic<int64_t> next_{0};
  int64_t count_ = 0;
  std::vector<std::thread> workers_;
};

}  // namespace dinomaly
