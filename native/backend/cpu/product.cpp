#include "backend/cpu/product.h"

#include <algorithm>

#include "backend/cpu/product_kernel.h"

namespace dinomaly {
namespace {

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

/// The left side's rows from `row` (a multiple of kStripRows) on, at `depth` of k.
LeftRows rowsOf(const LeftSide& left, int64_t row, int64_t depth) {
  if (left.stride == 0) return {left.data + row * left.depth + depth * kStripRows, 1};
  return {left.data + row * left.stride + depth, left.stride};
}

/// The end of a part of the result.
ProductEnd endAt(const ProductEnd& end, int64_t row, int64_t column) {
  const auto from = [](const float* p, int64_t at) { return p ? p + at : nullptr; };
  const int64_t at = row * end.stride + column;
  return {end.y + at, end.stride, from(end.bias, column), end.gelu, from(end.scale, column), from(end.residual, at)};
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
  for (int64_t depth = 0; depth < k; depth += kProductDepth) {
    const int64_t count = std::min(kProductDepth, k - depth);
    const bool ends = end && depth + count == k, add = result.add || depth > 0;
    for (int64_t column = 0, panels; column < n; column += panels * kPanelCols) {
      const int64_t width = panelWidth(n, column);
      panels = std::clamp((n - column) / kPanelCols, int64_t{1}, kernel.panels);
      const float* const panel = right + column * k + depth * width;
      PanelsPart part{width < kPanelCols ? widened(wide, panel, width, count) : panel,
                      k * kPanelCols,
                      width,
                      result.data + (result.stride ? column : column * result.height + result.first * width),
                      result.stride ? result.stride : width,
                      result.stride ? kPanelCols : result.height * kPanelCols,
                      ends ? endAt(*end, 0, column) : ProductEnd{}};
      for (int64_t row = 0; row < m; row += kStripRows) {
        const int64_t rows = std::min(kStripRows, m - row);
        kernel.multiply(rows, panels, part, rowsOf(left, row, depth), left.stride == 0, count, add,
                        fetched(soon, count, part.right));
        part.c += rows * part.stride;
        if (ends) part.end = endAt(part.end, rows, 0);
      }
    }
  }
}

void multiplyPanels(const Result& result, const LeftSide& left, const float* right, int64_t m, int64_t n, int64_t k,
                    const ProductEnd* end, Soon soon) {
  multiplyPanels(bestKernel(), result, left, right, m, n, k, end, soon);
}

}  // namespace dinomaly
