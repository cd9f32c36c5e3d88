// The threads of one model's kernels. They spin for a tenth of a millisecond for the next loop before they sleep, so a
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

  int64_t size() const { return static_cast<int64_t>(shares_.size()); }

  /// Calls body(i) once for each i below count, on any thread, and returns when all are done. Each thread begins with
  /// the same share of the range in every loop, so that it finds in its cache what it left there, and then helps the
  /// others. Rethrows the first exception. One caller at a time; not from inside a body.
  void run(int64_t count, const std::function<void(int64_t)>& body);

  /// run() with body(begin, end) over blocks of `block` items; the blocks do not depend on the number of threads.
  template <typename Body>
  void runBlocks(int64_t size, int64_t block, const Body& body) {
    run((size + block - 1) / block, [&](int64_t i) {
      const int64_t begin = i * block;
      body(begin, begin + block < size ? begin + block : size);
    });
  }

  /// run() with body(row, column) over a grid. A thread begins with a share of the rows, and goes through them column
  /// by column.
  template <typename Body>
  void runGrid(int64_t rows, int64_t columns, const Body& body) {
    const int64_t threads = size();
    run(rows * columns, [&](int64_t i) {
      int64_t share = 0;
      while ((share + 1) * rows / threads * columns <= i) ++share;
      const int64_t first = share * rows / threads, height = (share + 1) * rows / threads - first;
      const int64_t at = i - first * columns;
      body(first + at % height, at / height);
    });
  }

 private:
  /// What a thread begins with; the others take from it when they have nothing left.
  struct alignas(64) Share {
    std::atomic<int64_t> next{0};
    int64_t end = 0;
  };

  void begin();
  void end();
  void work(size_t thread);
  void awaitLoop(uint64_t seen);
  void takePart(size_t thread, const std::function<void(int64_t)>& body);

  std::vector<Share> shares_;  // of each thread, the caller's first
  std::exception_ptr failure_;
  std::mutex mutex_;  // of failure_, and for who sleeps
  std::condition_variable begun_, left_;
  std::atomic<int> asleep_{0};        // workers that must be woken for a loop
  std::atomic<bool> awaited_{false};  // whether the caller must be woken when all have left
  std::atomic<bool> ended_{false};
  // What waiting workers look at, and what the waiting caller does: on lines of their own.
  alignas(64) std::atomic<uint64_t> loops_{0};                      // begun so far
  std::atomic<const std::function<void(int64_t)>*> body_{nullptr};  // null between loops
  alignas(64) std::atomic<int> inside_{0};                          // workers that may be taking part in the loop
  alignas(64) std::vector<std::thread> workers_;
};

}  // namespace dinomaly
