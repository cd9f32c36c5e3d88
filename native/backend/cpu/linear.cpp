#include <algorithm>

#include "backend/cpu/cpu_backend.h"
#include "backend/cpu/panels.h"
#include "backend/cpu/product.h"
#include "backend/cpu/row_parts.h"

namespace dinomaly {
namespace {

/// A thread's share of a result: at most this large, so that it and what it is made of stay in the second-level cache.
constexpr int64_t kTileRows = 72, kTileCols = 64;

struct Tile {
  int64_t row, rows, column, columns;
  int64_t turn, turns;  // of the thread's tiles of these columns, this one and all
};

/// body(tile) for each tile of an (m,n) result. Threads' shares of the rows begin at multiples of `grain`.
template <typename Body>
void forTiles(ThreadPool& threads, int64_t m, int64_t n, int64_t grain, const Body& body) {
  const RowParts parts(m, kTileRows, threads.size(), grain);
  const int64_t turns = std::max(int64_t{1}, parts.count() / threads.size());
  threads.runGrid(parts.count(), (n + kTileCols - 1) / kTileCols, [&](int64_t i, int64_t j) {
    const int64_t row = parts.begin(i), column = j * kTileCols;
    body(Tile{row, parts.end(i) - row, column, std::min(kTileCols, n - column), i % turns, turns});
  });
}

/// What a tile of a product with w (k,n) is to fetch of the next columns of w, which its thread's tiles share.
Soon nextColumns(const float* w, int64_t k, int64_t n, const Tile& tile) {
  const int64_t column = tile.column + tile.columns, size = std::min(kTileCols, n - column) * k;
  return {w + column * k + size * tile.turn / tile.turns, size / tile.turns};
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
  forTiles(threads_, rows, out, 1, [&](const Tile& tile) {
    alignas(64) thread_local float sums[kTileRows * kTileCols];
    const int64_t at = tile.row * out + tile.column;
    const ProductEnd end{y + at,
                         out,
                         from(e.bias, tile.column),
                         e.activation == Activation::gelu,
                         from(e.scale, tile.column),
                         from(e.residual, at)};
    multiplyPanels({sums, kTileCols}, {x + tile.row * in, in, in}, w + tile.column * in, tile.rows, tile.columns, in,
                   &end, nextColumns(w, in, out, tile));
  });
}

void CpuBackend::linearInputGradient(float* dx, const float* dy, const float* w, int64_t rows, int64_t in,
                                     int64_t out) {
  const Buffer transposed = allocate(in * out);  // panels (out,in)
  forPanels(threads_, in, [&](int64_t i) { transposePanel(transposed.get(), w, in, out, i); });
  forTiles(threads_, rows, in, 1, [&](const Tile& tile) {
    multiplyPanels({dx + tile.row * in + tile.column, in}, {dy + tile.row * out, out, out},
                   transposed.get() + tile.column * out, tile.rows, tile.columns, out, nullptr,
                   nextColumns(transposed.get(), out, in, tile));
  });
}

void CpuBackend::linearWeightGradient(float* dw, float* db, const float* dy, const float* x, int64_t rows, int64_t in,
                                      int64_t out) {
  // dw in panels is x^T dy with the outputs as columns. What is packed takes little memory, and stays in the
  // third-level cache, where products go over a part of the rows at a time.
  const int64_t most = std::min(rows, kProductDepth);
  const Buffer left = allocate((in + kStripRows - 1) / kStripRows * kStripRows * most), right = allocate(most * out);
  if (db) std::fill(db, db + out, 0.0f);
  for (int64_t first = 0; first < rows; first += most) {
    const int64_t count = std::min(most, rows - first);
    threads_.runBlocks(in, 16 * kStripRows, [&](int64_t begin, int64_t end) {
      packStrips(left.get(), x + first * in, count, in, begin, end);
    });
    threads_.runBlocks(out, 8 * kPanelCols, [&](int64_t begin, int64_t end) {
      packPanels(right.get(), db, dy + first * out, count, out, begin, end);
    });
    forTiles(threads_, in, out, kStripRows, [&](const Tile& tile) {
      multiplyPanels({dw + tile.column * in, 0, tile.row, in, first > 0}, {left.get() + tile.row * count, 0, count},
                     right.get() + tile.column * count, tile.rows, tile.columns, count);
    });
  }
}

}  // namespace dinomaly
