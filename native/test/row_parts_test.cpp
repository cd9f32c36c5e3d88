#include "backend/cpu/row_parts.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>

using dinomaly::RowParts;

TEST_CASE("row parts cover all rows in order, none higher than asked for, cut where kernels take up the next rows") {
  for (const int64_t threads : {1, 2, 3, 16}) {
    for (const int64_t most : {24, 48, 72}) {
      for (const int64_t grain : {1, 6, 12}) {
        for (const int64_t rows : {1, 11, 12, 13, 25, 72, 73, 145, 257, 401, 785, 3140}) {
          CAPTURE(threads);
          CAPTURE(most);
          CAPTURE(grain);
          CAPTURE(rows);
          const RowParts parts(rows, most, threads, grain);
          const int64_t perThread = parts.count() / std::min(threads, parts.count());
          int64_t end = 0;
          for (int64_t i = 0; i < parts.count(); ++i) {
            const int64_t begin = parts.begin(i);
            CHECK(begin == end);
            end = parts.end(i);
            CHECK(end > begin);
            CHECK(end - begin <= most);
            CHECK(begin % grain == 0);
            if ((i + 1) % perThread != 0) CHECK((end - begin) % RowParts::kUnit == 0);
          }
          CHECK(end == rows);
        }
      }
    }
  }
}

TEST_CASE("where there are enough rows, each thread has as many as another, and the same whatever the height") {
  for (const int64_t threads : {2, 3, 5}) {
    for (const int64_t rows : {257, 401, 785, 3140}) {
      const RowParts low(rows, RowParts::kUnit * 2, threads), high(rows, RowParts::kUnit * 6, threads);
      REQUIRE(low.count() % threads == 0);
      REQUIRE(high.count() % threads == 0);
      for (int64_t i = 0; i < threads; ++i) {
        const int64_t begin = low.begin(i * low.count() / threads), end = low.end((i + 1) * low.count() / threads - 1);
        CHECK(begin == high.begin(i * high.count() / threads));
        CHECK(end == high.end((i + 1) * high.count() / threads - 1));
        CHECK(std::abs(end - begin - rows / threads) <= 1);
      }
    }
  }
}
