#include <algorithm>

#include "backend/cpu/cpu_backend.h"
#include "backend/cpu/panels.h"
#include "backend/cpu/product.h"

namespace dinomaly {
namespace {

/// A thread's share of a result: at most this large, so that it and what it is made of stay in the second-level cache.
constexpr int64_t kTileRows = 72, kTileCols = 96;

/// body(row, rows, column, columns) for each tile of an (m,n) result; tiles are of about the same height.
template <typename Body>
void forTiles(ThreadPool& threads, int64_t m, int64_t n, const Body& body) {
  const int64_t cuts = (m + kTileRows - 1) / kTileRows, strips = (m + kStripRows - 1) / kStripRows;
  const int64_t height = (strips + cuts - 1) / cuts * kStripRows, down = (m + height - 1) / height;
  threads.runGrid(down, (n + kTileCols - 1) / kTileCols, [&](int64_t i, int64_t j) {
    const int64_t row = i * height, column = j * kTileCols;
    body(row, std::min(height, m - row), column, std::min(kTileCols, n - column));
  });
}

/// body(j) for the first column of each panel.
template <typename Body>
void forPanels(ThreadPool& threads, int64_t columns, const Body& body) {
  threads.runBlocks(columns, kPanelCols, [&](int64_t j, int64_t) { body(j); });
}

}  // namespace

void CpuBackend::uploadWeight(float* to, const float* from, int64_t in, int64_t out) {
  forPanels(threads_, out, [&](int64_t o) { packWeightPanel(to, from, in, in, out, o); });
}

void CpuBackend::downloadWeight(float* to, const float* from, int64_t in, int64_t out) {
  forPanels(threads_, out, [&](int64_t o) { unpackWeightPanel(to, from, in, out, o); });
}

void CpuBackend::linear(float* y, const float* x, const float* w, int64_t rows, int64_t in, int64_t out,
                        const FloatEpilogue& e) {
  if (bytes_ && e.mayRound && in <= kMostBytes) return linearOfBytes(y, x, w, rows, in, out, e);
  const auto from = [](const float* p, int64_t at) { return p ? p + at : nullptr; };
  forTiles(threads_, rows, out, [&](int64_t row, int64_t m, int64_t column, int64_t n) {
    alignas(64) thread_local float sums[kTileRows * kTileCols];
    const int64_t at = row * out + column;
    const ProductEnd end{y + at,
                         out,
                         from(e.bias, column),
                         e.activation == Activation::gelu,
                         from(e.scale, column),
                         from(e.residual, at)};
    // Of the next columns' weights, the part that this tile is of its own columns: each comes from memory once.
    const int64_t next = std::min(kTileCols, out - column - n) * in;
    const Soon soon{w + (column + n) * in + next * row / rows, next * m / rows};
    multiplyPanels({sums, kTileCols}, {x + row * in, in, in}, w + column * in, m, n, in, &end, soon);
  });
}

void CpuBackend::linearInputGradient(float* dx, const float* dy, const float* w, int64_t rows, int64_t in,
                                     int64_t out) {
  const Buffer transposed = allocate(in * out);  // panels (out,in)
  forPanels(threads_, in, [&](int64_t i) { transposePanel(transposed.get(), w, in, out, i); });
  forTiles(threads_, rows, in, [&](int64_t row, int64_t m, int64_t column, int64_t n) {
    multiplyPanels({dx + row * in + column, in}, {dy + row * out, out, out}, transposed.get() + column * out, m, n,
                   out);
  });
}

void CpuBackend::linearWeightGradient(float* dw, float* db, const float* dy, const float* x, int64_t rows, int64_t in,
                                      int64_t out) {
  // dw in panels is x^T dy with the outputs as columns. What is packed takes little memory, and stays in the
  // third-level cache, where products go over a part of the rows at a time.
  const int64_t most = std::min(rows, kProductDepth);
  const Buffer left = allocate((in + kStripRows - 1) / kStripRows * kStripRows * most), right = allocate(most * out);
  std::fill(db, db + out, 0.0f);
  for (int64_t first = 0; first < rows; first += most) {
    const int64_t count = std::min(most, rows - first);
    threads_.runBlocks(in, 16 * kStripRows, [&](int64_t begin, int64_t end) {
      packStrips(left.get(), x + first * in, count, in, begin, end);
    });
    threads_.runBlocks(out, 8 * kPanelCols, [&](int64_t begin, int64_t end) {
      packPanels(right.get(), db, dy + first * out, count, out, begin, end);
    });
    forTiles(threads_, in, out, [&](int64_t row, int64_t m, int64_t column, int64_t n) {
      multiplyPanels({dw + column * in, 0, row, in, first > 0}, {left.get() + row * count, 0, count},
                     right.get() + column * count, m, n, count);
    });
  }
}

}  // namespace dinomaly
