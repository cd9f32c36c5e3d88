#include "backend/cpu/panels.h"

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

/// Rows (k,n) into whole panels, those of columns `j` to `end`, and what is added to sums.
void packPart(float* panels, float* sums, const float* rows, int64_t k, int64_t n, int64_t j, int64_t end) {
  for (int64_t r = 0; r < k; ++r) {
    const float* from = rows + r * n;
    for (int64_t c = j; c < end; c += kPanelCols) {
      __builtin_prefetch(from + kRowsAhead * n + c);
      float* to = panels + c * k + r * kPanelCols;
#pragma omp simd
      for (int64_t q = 0; q < kPanelCols; ++q) {
        to[q] = from[c + q];
        sums[c + q] += from[c + q];
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
  float* panel = panels + o * in;
  // Sixteen columns at a time, so that what is written stays in the first-level cache.
  for (int64_t first = 0; first < in; first += kPanelCols) {
    const int64_t end = std::min(first + kPanelCols, in);
    for (int64_t j = 0; j < width; ++j) {
      for (int64_t p = first; p < end; ++p) panel[p * width + j] = w[(o + j) * stride + p];
    }
  }
}

void unpackWeightPanel(float* w, const float* panels, int64_t in, int64_t out, int64_t o) {
  const int64_t width = panelWidth(out, o);
  const float* panel = panels + o * in;
  for (int64_t first = 0; first < in; first += kPanelCols) {
    const int64_t end = std::min(first + kPanelCols, in);
    for (int64_t j = 0; j < width; ++j) {
      for (int64_t p = first; p < end; ++p) w[(o + j) * in + p] = panel[p * width + j];
    }
  }
}

void transposePanel(float* transposed, const float* panels, int64_t k, int64_t n, int64_t p) {
  const int64_t width = panelWidth(k, p);
  float* to = transposed + p * n;
  for (int64_t j = 0; j < n; j += kPanelCols) {
    const int64_t columns = panelWidth(n, j);
    const float* from = panels + j * k + p * columns;
    for (int64_t q = 0; q < columns; ++q) {
      for (int64_t r = 0; r < width; ++r) to[(j + q) * width + r] = from[r * columns + q];
    }
  }
}

void packPanels(float* panels, float* sums, const float* rows, int64_t k, int64_t n, int64_t j, int64_t end) {
  const int64_t narrow = end - end % kPanelCols;  // where a panel begins that is not whole
  for (int64_t c = j; c < narrow; c += kPanelsAtOnce * kPanelCols) {
    packPart(panels, sums, rows, k, n, c, std::min(narrow, c + kPanelsAtOnce * kPanelCols));
  }
  for (int64_t r = 0; r < k; ++r) {
    for (int64_t c = narrow; c < end; ++c) {
      panels[narrow * k + r * (end - narrow) + c - narrow] = rows[r * n + c];
      sums[c] += rows[r * n + c];
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
