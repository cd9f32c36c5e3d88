#include "backend/cpu/panels.h"

#include <immintrin.h>

#include <algorithm>
#include <cstring>

#include "backend/cpu/product.h"

namespace dinomaly {
namespace {

/// Rows that are asked for before they are read: a part of a row is too short, and the next one too far away, for the
/// processor to foresee.
constexpr int64_t kRowsAhead = 8;
constexpr int64_t kLine = 64 / sizeof(float);
/// Places that are written to by turns: with more, lines leave the first-level cache before they are full.
constexpr int64_t kPanelsAtOnce = 4, kStripsAtOnce = 8;

constexpr int64_t kSquare = 8;  // rows and columns that are transposed in registers

/// to[c * toStride + r] = from[r * fromStride + c] for kSquare rows and columns. Pairs, fours and eights of rows are
/// woven together by turns.
inline void transposeSquare(float* to, int64_t toStride, const float* from, int64_t fromStride) {
  __m256 rows[kSquare], pairs[kSquare], fours[kSquare];
#pragma GCC unroll 8
  for (int i = 0; i < kSquare; ++i) rows[i] = _mm256_loadu_ps(from + i * fromStride);
#pragma GCC unroll 4
  for (int i = 0; i < kSquare; i += 2) {
    pairs[i] = _mm256_unpacklo_ps(rows[i], rows[i + 1]);
    pairs[i + 1] = _mm256_unpackhi_ps(rows[i], rows[i + 1]);
  }
#pragma GCC unroll 2
  for (int i = 0; i < kSquare; i += 4) {
#pragma GCC unroll 2
    for (int half = 0; half < 2; ++half) {
      fours[i + 2 * half] = _mm256_shuffle_ps(pairs[i + half], pairs[i + half + 2], 0x44);
      fours[i + 2 * half + 1] = _mm256_shuffle_ps(pairs[i + half], pairs[i + half + 2], 0xee);
    }
  }
#pragma GCC unroll 4
  for (int c = 0; c < kSquare / 2; ++c) {
    _mm256_storeu_ps(to + c * toStride, _mm256_permute2f128_ps(fours[c], fours[c + 4], 0x20));
    _mm256_storeu_ps(to + (c + 4) * toStride, _mm256_permute2f128_ps(fours[c], fours[c + 4], 0x31));
  }
}

/// to[c * toStride + r] = from[r * fromStride + c].
void transpose(float* to, int64_t toStride, const float* from, int64_t fromStride, int64_t rows, int64_t columns) {
  const int64_t wholeRows = rows / kSquare * kSquare, wholeColumns = columns / kSquare * kSquare;
  for (int64_t c = 0; c < columns; c += c < wholeColumns ? kSquare : 1) {
    int64_t r = 0;
    for (; c < wholeColumns && r < wholeRows; r += kSquare) {
      transposeSquare(to + c * toStride + r, toStride, from + r * fromStride + c, fromStride);
    }
    for (const int64_t end = c < wholeColumns ? c + kSquare : c + 1; r < rows; ++r) {
      for (int64_t q = c; q < end; ++q) to[q * toStride + r] = from[r * fromStride + q];
    }
  }
}

/// Rows (k,n) into whole panels, those of columns `j` to `end`, and what is added to sums.
template <bool kSums>
void packPart(float* panels, float* sums, const float* rows, int64_t k, int64_t n, int64_t j, int64_t end) {
  for (int64_t r = 0; r < k; ++r) {
    const float* from = rows + r * n;
    for (int64_t c = j; c < end; c += kPanelCols) {
      __builtin_prefetch(from + kRowsAhead * n + c);
      float* to = panels + c * k + r * kPanelCols;
#pragma omp simd
      for (int64_t q = 0; q < kPanelCols; ++q) {
        to[q] = from[c + q];
        if (kSums) sums[c + q] += from[c + q];
      }
    }
  }
}

/// packStrips() of a few strips.
void packFewStrips(float* strips, const float* rows, int64_t k, int64_t m, int64_t i, int64_t end) {
  for (int64_t p = 0; p < k; ++p) {
    const float* from = rows + p * m;
    for (int64_t r = i; r < end; r += kLine) __builtin_prefetch(from + kRowsAhead * m + r);
    for (int64_t r = i; r < end; r += kStripRows) {
      float* to = strips + r * k + p * kStripRows;
      if (r + kStripRows <= m) {
        std::memcpy(to, from + r, kStripRows * sizeof(float));
      } else {
        for (int64_t q = 0; q < kStripRows; ++q) to[q] = r + q < m ? from[r + q] : 0.0f;
      }
    }
  }
}

}  // namespace

void packWeightPanel(float* panels, const float* w, int64_t stride, int64_t in, int64_t out, int64_t o) {
  const int64_t width = panelWidth(out, o);
  transpose(panels + o * in, width, w + o * stride, stride, width, in);
}

void unpackWeightPanel(float* w, const float* panels, int64_t in, int64_t out, int64_t o) {
  const int64_t width = panelWidth(out, o);
  transpose(w + o * in, in, panels + o * in, width, in, width);
}

void transposePanel(float* transposed, const float* panels, int64_t k, int64_t n, int64_t p) {
  const int64_t width = panelWidth(k, p);
  float* to = transposed + p * n;
  for (int64_t j = 0; j < n; j += kPanelCols) {
    const int64_t columns = panelWidth(n, j);
    transpose(to + j * width, width, panels + j * k + p * columns, columns, width, columns);
  }
}

void packPanels(float* panels, float* sums, const float* rows, int64_t k, int64_t n, int64_t j, int64_t end) {
  const int64_t narrow = end - end % kPanelCols;  // where a panel begins that is not whole
  const auto pack = sums ? packPart<true> : packPart<false>;
  for (int64_t c = j; c < narrow; c += kPanelsAtOnce * kPanelCols) {
    pack(panels, sums, rows, k, n, c, std::min(narrow, c + kPanelsAtOnce * kPanelCols));
  }
  for (int64_t r = 0; r < k; ++r) {
    for (int64_t c = narrow; c < end; ++c) {
      panels[narrow * k + r * (end - narrow) + c - narrow] = rows[r * n + c];
      if (sums) sums[c] += rows[r * n + c];
    }
  }
}

void packRows(float* panels, const float* rows, int64_t stride, int64_t k, int64_t n) {
  const int64_t whole = n / kPanelCols * kPanelCols;
  for (int64_t r = 0; r < k; ++r) {  // whole rows, which memory gives faster than pieces of them
    const float* const from = rows + r * stride;
    for (int64_t j = 0; j < whole; j += kPanelCols) {
      std::memcpy(panels + j * k + r * kPanelCols, from + j, kPanelCols * sizeof(float));
    }
    std::copy(from + whole, from + n, panels + whole * k + r * (n - whole));
  }
}

void packStrips(float* strips, const float* rows, int64_t k, int64_t m, int64_t i, int64_t end) {
  for (int64_t r = i; r < end; r += kStripsAtOnce * kStripRows) {
    packFewStrips(strips, rows, k, m, r, std::min(end, r + kStripsAtOnce * kStripRows));
  }
}

}  // namespace dinomaly
