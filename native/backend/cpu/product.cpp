#include "backend/cpu/product.h"

#include <algorithm>
#include <vector>

#include "backend/cpu/product_kernel.h"

namespace dinomaly {
namespace {

constexpr int64_t kMostPanels = 2;

/// What this processor multiplies fastest with. The bits are the same with either. Chosen at the first call, since what
/// runs when the addon is loaded must not need AVX.
const ProductKernel& bestKernel() {
  static const ProductKernel best = __builtin_cpu_supports("avx512f") ? avx512Product() : avx2Product();
  return best;
}

/// A panel that is narrower than the kernel takes, filled up.
const float* widened(float* wide, const float* panel, int64_t width, int64_t k) {
  std::fill(wide, wide + k * kPanelCols, 0.0f);
  for (int64_t p = 0; p < k; ++p) std::copy(panel + p * width, panel + (p + 1) * width, wide + p * kPanelCols);
  return wide;
}

/// The left side's rows from `row` on, at `depth` of k.
RowsPart rowsOf(const LeftSide& left, int64_t row, int64_t depth) {
  if (left.stride == 0) return {left.data + row * left.depth + depth * kStripRows, 1, kStripRows * left.depth};
  return {left.data + row * left.stride + depth, left.stride, kStripRows * left.stride};
}

/// The end of a part of the result.
ProductEnd endAt(const ProductEnd& end, int64_t row, int64_t column) {
  const auto from = [](const float* p, int64_t at) { return p ? p + at : nullptr; };
  const int64_t at = row * end.stride + column;
  return {end.y + at, end.stride, from(end.bias, column), end.gelu, from(end.scale, column), from(end.residual, at)};
}

/// Whether rows lie a multiple of a page apart, where all of them would share a few lines of the first-level cache.
bool rowsCollide(int64_t stride) {
  constexpr int64_t kPage = 4096 / sizeof(float);
  return stride > 0 && stride % kPage == 0;
}

/// A part of the left side (m, count), its rows no longer apart than they are long.
LeftSide gathered(std::vector<float>& to, const float* from, int64_t stride, int64_t m, int64_t count) {
  to.resize(static_cast<size_t>(m * count));
  for (int64_t i = 0; i < m; ++i) std::copy(from + i * stride, from + i * stride + count, to.data() + i * count);
  return {to.data(), count, count};
}

/// As much of `soon` as goes with k columns, or nothing new if that was all.
Ahead fetched(Soon& soon, int64_t k, const float* nothingNew) {
  constexpr int64_t kStep = 4;
  if (soon.count <= 0) return {nothingNew, 0};
  const Ahead ahead{soon.from, kStep};
  soon.from += k * kStep;
  soon.count -= k * kStep;
  return ahead;
}

}  // namespace

void multiplyPanels(const ProductKernel& kernel, const Result& result, const LeftSide& left, const float* right,
                    int64_t m, int64_t n, int64_t k, const ProductEnd* end, Soon soon) {
  alignas(64) float wide[kProductDepth * kPanelCols];
  thread_local std::vector<float> rowsTogether;
  const bool gather = rowsCollide(left.stride);
  const int64_t step = kernel.panels * kPanelCols;
  for (int64_t depth = 0; depth < k; depth += kProductDepth) {
    const int64_t count = std::min(kProductDepth, k - depth);
    const bool ends = end && depth + count == k, add = result.add || depth > 0;
    const LeftSide part = gather ? gathered(rowsTogether, left.data + depth, left.stride, m, count) : left;
    for (int64_t column = 0; column < n; column += step) {
      PanelPart parts[kMostPanels];
      int64_t panels = 0;
      for (int64_t j = column; j < std::min(n, column + step); j += kPanelCols) {
        const int64_t width = panelWidth(n, j);
        const float* const panel = right + j * k + depth * width;
        parts[panels] = {width < kPanelCols ? widened(wide, panel, width, count) : panel, width,
                         result.data + (result.stride ? j : j * result.height + result.first * width),
                         result.stride ? result.stride : width, ends ? endAt(*end, 0, j) : ProductEnd{}};
        ++panels;
      }
      for (int64_t row = 0; row < m; row += kernel.rows) {
        const int64_t rows = std::min(kernel.rows, m - row);
        const bool isNew = column == 0 && part.stride == count;  // to the cache, and together with the next rows
        const Ahead ahead = isNew && row + rows < m ? Ahead{part.data + (row + rows) * count, rows}
                                                    : fetched(soon, count, parts[0].right);
        kernel.multiply(rows, panels, parts, rowsOf(part, row, gather ? 0 : depth), part.stride == 0, count, add,
                        ahead);
        for (int64_t i = 0; i < panels; ++i) {
          parts[i].c += rows * parts[i].stride;
          if (ends) parts[i].end = endAt(parts[i].end, rows, 0);
        }
      }
    }
  }
}

void multiplyPanels(const Result& result, const LeftSide& left, const float* right, int64_t m, int64_t n, int64_t k,
                    const ProductEnd* end, Soon soon) {
  multiplyPanels(bestKernel(), result, left, right, m, n, k, end, soon);
}

}  // namespace dinomaly
