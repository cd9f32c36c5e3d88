#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "backend/cpu/product_kernel.h"
#include "noise.h"

namespace dinomaly {
namespace {

constexpr int64_t kDepthOfAll = 37;
constexpr float kUntouched = 12345.0f;

/// A left side of up to twelve rows in both orders, and two panels beside each other.
struct Operands {
  std::vector<float> rows = noise(12 * kDepthOfAll, 1), strips = std::vector<float>(rows.size());
  std::vector<float> right = noise(2 * kPanelCols * kDepthOfAll, 2);
  Operands() {
    for (int64_t i = 0; i < 12; ++i) {
      for (int64_t p = 0; p < kDepthOfAll; ++p) {
        strips[static_cast<size_t>(i / kStripRows * kStripRows * kDepthOfAll + p * kStripRows + i % kStripRows)] =
            rows[static_cast<size_t>(i * kDepthOfAll + p)];
      }
    }
  }
  RowsPart left(bool packed) const {
    if (packed) return {strips.data(), 1, kStripRows * kDepthOfAll};
    return {rows.data(), kDepthOfAll, kStripRows * kDepthOfAll};
  }
  /// One chain of fused multiplications and additions, as every kernel must compute it.
  float element(int64_t i, int64_t j) const {
    const size_t panel = static_cast<size_t>(j / kPanelCols * kPanelCols * kDepthOfAll + j % kPanelCols);
    float sum = 0;
    for (int64_t p = 0; p < kDepthOfAll; ++p) {
      sum = std::fma(rows[static_cast<size_t>(i * kDepthOfAll + p)], right[panel + static_cast<size_t>(p * kPanelCols)],
                     sum);
    }
    return sum;
  }
};

/// Multiplies with `kernel` into 12 rows of 32, of which columns from `width` on are not there.
std::vector<float> productOf(const ProductKernel& kernel, const Operands& operands, int64_t rows, int64_t panels,
                             int64_t width, bool packed, bool add) {
  std::vector<float> c(12 * 2 * kPanelCols, kUntouched);
  PanelPart parts[2];
  for (int64_t j = 0; j < panels; ++j) {
    parts[j] = {operands.right.data() + j * kPanelCols * kDepthOfAll, std::min(kPanelCols, width - j * kPanelCols),
                c.data() + j * kPanelCols, 2 * kPanelCols};
  }
  kernel.multiply(rows, panels, parts, operands.left(packed), packed, kDepthOfAll, add);
  return c;
}

void check(const ProductKernel& kernel) {
  const Operands operands;
  for (int64_t rows = 1; rows <= kernel.rows; ++rows) {
    for (const int64_t width : {int64_t{1}, int64_t{15}, int64_t{16}, int64_t{17}, int64_t{32}}) {
      const int64_t panels = (width + kPanelCols - 1) / kPanelCols;
      if (panels > kernel.panels) continue;
      for (const bool packed : {false, true}) {
        for (const bool add : {false, true}) {
          CAPTURE(rows);
          CAPTURE(width);
          CAPTURE(packed);
          CAPTURE(add);
          const std::vector<float> c = productOf(kernel, operands, rows, panels, width, packed, add);
          for (int64_t i = 0; i < 12; ++i) {
            for (int64_t j = 0; j < 2 * kPanelCols; ++j) {
              const bool there = i < rows && j < width;
              const float sum = there ? operands.element(i, j) : 0;
              const float expected = there ? (add ? kUntouched + sum : sum) : kUntouched;
              CHECK(c[static_cast<size_t>(i * 2 * kPanelCols + j)] == expected);
            }
          }
        }
      }
    }
  }
}

}  // namespace

TEST_CASE("product kernels give the bits of one chain of fused multiplications, whatever vectors they use") {
  check(avx2Product());
  if (__builtin_cpu_supports("avx512f")) check(avx512Product());
}

}  // namespace dinomaly
