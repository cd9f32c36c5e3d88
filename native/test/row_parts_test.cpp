#include "backend/cpu/row_parts.h"

#include <doctest/doctest.h>

using dinomaly::RowParts;

TEST_CASE("row parts cover all rows in order, none higher than asked for, cut where kernels take up the next rows") {
  for (const int64_t threads : {1, 2, 3, 16}) {
    for (const int64_t most : {12, 48, 72}) {
      for (const int64_t rows : {1, 11, 12, 13, 72, 73, 257, 401, 785, 3140}) {
        CAPTURE(threads);
        CAPTURE(most);
        CAPTURE(rows);
        const RowParts parts(rows, most, threads);
        int64_t end = 0;
        for (int64_t i = 0; i < parts.count(); ++i) {
          CHECK(parts.begin(i) == end);
          CHECK(parts.begin(i) % RowParts::kUnit == 0);
          end = parts.end(i);
          CHECK(end > parts.begin(i));
          CHECK(end - parts.begin(i) <= most);
        }
        CHECK(end == rows);
      }
    }
  }
}

TEST_CASE("where there are enough rows, a thread has as many parts as another, and the same rows whatever the height") {
  for (const int64_t threads : {2, 3, 5}) {
    for (const int64_t rows : {257, 401, 785, 3140}) {
      const RowParts low(rows, RowParts::kUnit * 2, threads), high(rows, RowParts::kUnit * 6, threads);
      REQUIRE(low.count() % threads == 0);
      REQUIRE(high.count() % threads == 0);
      for (int64_t i = 0; i < threads; ++i) {
        CHECK(low.begin(i * low.count() / threads) == high.begin(i * high.count() / threads));
      }
    }
  }
}
