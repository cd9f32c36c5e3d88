#include <algorithm>

#include "backend/cpu/cpu_backend.h"
#include "backend/cpu/matmul.h"
#include "backend/cpu/vector_math.h"

namespace dinomaly {
namespace {

/// body(row, rows, column, columns) for each tile of an (m,n) result.
template <typename Body>
void forTiles(ThreadPool& threads, int64_t m, int64_t n, const Body& body) {
  const int64_t down = (m + kTileRows - 1) / kTileRows, across = (n + kTileCols - 1) / kTileCols;
  threads.run(down * across, [&](int64_t t) {
    const int64_t row = t % down * kTileRows, column = t / down * kTileCols;
    body(row, std::min(kTileRows, m - row), column, std::min(kTileCols, n - column));
  });
}

/// Finishes one row of a tile while it lies in cache: y = residual + scale * act(product + bias). `e` begins at the
/// tile's first column. A pass for each part: each is a plain vector loop.
void finishRow(float* y, float* product, int64_t n, const Epilogue& e) {
  if (e.bias) {
    for (int64_t j = 0; j < n; ++j) product[j] += e.bias[j];
  }
  if (e.activation == Activation::gelu) {
#pragma omp simd
    for (int64_t j = 0; j < n; ++j) product[j] = geluOf(product[j]);
  }
  if (e.scale) {
    for (int64_t j = 0; j < n; ++j) product[j] *= e.scale[j];
  }
  if (e.residual) {
    for (int64_t j = 0; j < n; ++j) product[j] += e.residual[j];
  }
  std::copy(product, product + n, y);
}

}  // namespace

void CpuBackend::linear(float* y, const float* x, const float* w, int64_t rows, int64_t in, int64_t out,
                        const Epilogue& e) {
  forTiles(threads_, rows, out, [&](int64_t row, int64_t m, int64_t column, int64_t n) {
    alignas(64) thread_local float product[kTileRows * kTileCols];
    multiply(product, kTileCols, {x + row * in, in}, {w + column * in, in, true}, m, n, in);
    const auto from = [](const float* p, int64_t at) { return p ? p + at : nullptr; };
    for (int64_t i = 0; i < m; ++i) {
      const int64_t at = (row + i) * out + column;
      finishRow(y + at, product + i * kTileCols, n,
                {from(e.bias, column), e.activation, from(e.scale, column), from(e.residual, at)});
    }
  });
}

void CpuBackend::linearInputGradient(float* dx, const float* dy, const float* w, int64_t rows, int64_t in,
                                     int64_t out) {
  forTiles(threads_, rows, in, [&](int64_t row, int64_t m, int64_t column, int64_t n) {
    multiply(dx + row * in + column, in, {dy + row * out, out}, {w + column, in}, m, n, out);
  });
}

void CpuBackend::linearWeightGradient(float* dw, float* db, const float* dy, const float* x, int64_t rows, int64_t in,
                                      int64_t out) {
  forTiles(threads_, out, in, [&](int64_t row, int64_t m, int64_t column, int64_t n) {
    // dy's columns lie `out` apart, which pages and cache sets suffer from: they are copied together, as much as fits.
    constexpr int64_t kDepth = 192;
    alignas(64) thread_local float columns[kDepth * kTileRows];
    for (int64_t first = 0; first < rows; first += kDepth) {
      const int64_t depth = std::min(kDepth, rows - first);
      for (int64_t r = 0; r < depth; ++r) {
        const float* from = dy + (first + r) * out + row;
        std::copy(from, from + m, columns + r * m);
      }
      multiply(dw + row * in + column, in, {columns, m, true}, {x + first * in + column, in}, m, n, depth, first > 0);
    }
  });
  threads_.runBlocks(out, 64, [&](int64_t begin, int64_t end) {
    std::fill(db + begin, db + end, 0.0f);
    for (int64_t r = 0; r < rows; ++r) {
      for (int64_t j = begin; j < end; ++j) db[j] += dy[r * out + j];
    }
  });
}

}  // namespace dinomaly
