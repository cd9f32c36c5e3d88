#include "core/thread_pool.h"

#include <doctest/doctest.h>

#include <chrono>
#include <stdexcept>
#include <thread>

using dinomaly::ThreadPool;

TEST_CASE("a loop runs each index once, whatever the number of threads") {
  for (int threads : {1, 2, 5}) {
    ThreadPool pool(threads);
    for (int64_t count : {0, 1, 2, 3, 1000}) {
      for (int repeat = 0; repeat < 200; ++repeat) {
        std::vector<std::atomic<int>> times(static_cast<size_t>(count));
        pool.run(count, [&](int64_t i) { ++times[static_cast<size_t>(i)]; });
        for (const auto& t : times) REQUIRE(t == 1);
      }
    }
  }
}

TEST_CASE("a loop runs whole when its workers had fallen asleep, and when its caller falls asleep") {
  const auto longerThanAnybodySpins = [] { std::this_thread::sleep_for(std::chrono::milliseconds(1)); };
  ThreadPool pool(3);
  for (int repeat = 0; repeat < 50; ++repeat) {
    std::atomic<int> times{0}, workers{0};
    longerThanAnybodySpins();
    pool.run(3, [&](int64_t i) {
      if (i == 0) {  // the caller's, who is left with nothing to do but to wait
        while (workers < 2) std::this_thread::yield();
      } else {
        ++workers;
        longerThanAnybodySpins();
      }
      ++times;
    });
    REQUIRE(times == 3);
  }
}

TEST_CASE("blocks cover a range without gaps or overlaps") {
  ThreadPool pool(3);
  std::vector<std::atomic<int>> times(103);
  pool.runBlocks(103, 10, [&](int64_t begin, int64_t end) {
    CHECK(begin % 10 == 0);
    for (int64_t i = begin; i < end; ++i) ++times[static_cast<size_t>(i)];
  });
  for (const auto& t : times) CHECK(t == 1);
}

TEST_CASE("a grid runs each cell once, whatever the number of threads") {
  for (int threads : {1, 2, 5}) {
    ThreadPool pool(threads);
    for (int64_t rows : {0, 1, 3, 4, 11}) {
      for (int64_t columns : {0, 1, 7}) {
        std::vector<std::atomic<int>> times(static_cast<size_t>(rows * columns));
        pool.runGrid(rows, columns, [&](int64_t row, int64_t column) {
          REQUIRE(row < rows);
          REQUIRE(column < columns);
          ++times[static_cast<size_t>(row * columns + column)];
        });
        for (const auto& t : times) REQUIRE(t == 1);
      }
    }
  }
}

TEST_CASE("an exception in a loop reaches the caller, and the pool goes on") {
  ThreadPool pool(2);
  for (int repeat = 0; repeat < 100; ++repeat) {
    CHECK_THROWS_AS(pool.run(10,
                             [](int64_t i) {
                               if (i % 3 == 1) throw std::runtime_error("as asked");
                             }),
                    std::runtime_error);
    std::atomic<int> sum{0};
    pool.run(10, [&](int64_t i) { sum += static_cast<int>(i); });
    CHECK(sum == 45);
  }
}
