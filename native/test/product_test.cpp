#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "backend/cpu/panels.h"
#include "backend/cpu/product_kernel.h"
#include "noise.h"

namespace dinomaly {
namespace {

constexpr int64_t kDepthOfAll = 61;
constexpr float kUntouched = 12345.0f;

constexpr int64_t kColumns = 4 * kPanelCols;

/// A left side of up to six rows in both orders, and four panels beside each other.
struct Operands {
  std::vector<float> rows = noise(kStripRows * kDepthOfAll, 1), strip = std::vector<float>(rows.size());
  std::vector<float> right = noise(kColumns * kDepthOfAll, 2);
  Operands() {
    for (int64_t i = 0; i < kStripRows; ++i) {
      for (int64_t p = 0; p < kDepthOfAll; ++p) {
        strip[static_cast<size_t>(p * kStripRows + i)] = rows[static_cast<size_t>(i * kDepthOfAll + p)];
      }
    }
  }
  LeftRows left(bool packed) const { return packed ? LeftRows{strip.data(), 1} : LeftRows{rows.data(), kDepthOfAll}; }
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

/// Multiplies with `kernel` into six rows of kColumns, of which columns from `width` on are not there.
std::vector<float> productOf(const ProductKernel& kernel, const Operands& operands, int64_t rows, int64_t width,
                             bool packed, bool add) {
  std::vector<float> c(kStripRows * kColumns, kUntouched);
  const int64_t panels = (width + kPanelCols - 1) / kPanelCols;
  const PanelsPart part{
      operands.right.data(), kPanelCols * kDepthOfAll, std::min(kPanelCols, width), c.data(), kColumns, kPanelCols};
  kernel.multiply(rows, panels, part, operands.left(packed), packed, kDepthOfAll, add, {operands.right.data(), 4});
  return c;
}

void check(const ProductKernel& kernel) {
  const Operands operands;
  for (int64_t rows = 1; rows <= kStripRows; ++rows) {
    for (const int64_t width : {1, 15, 16, 32, 48, 64}) {
      if (width > kernel.panels * kPanelCols) continue;
      for (const bool packed : {false, true}) {
        for (const bool add : {false, true}) {
          CAPTURE(rows);
          CAPTURE(width);
          CAPTURE(packed);
          CAPTURE(add);
          const std::vector<float> c = productOf(kernel, operands, rows, width, packed, add);
          for (int64_t i = 0; i < kStripRows; ++i) {
            for (int64_t j = 0; j < kColumns; ++j) {
              const bool there = i < rows && j < width;
              const float sum = there ? operands.element(i, j) : 0;
              const float expected = there ? (add ? kUntouched + sum : sum) : kUntouched;
              CHECK(c[static_cast<size_t>(i * kColumns + j)] == expected);
            }
          }
        }
      }
    }
  }
}

/// A product that is no multiple of anything in any direction, deeper than what is multiplied at a time.
constexpr int64_t kM = 29, kN = 133, kK = 1700, kApart = 2048;

struct Sides {
  std::vector<float> apart = noise(kM * kApart, 3), together, strips, weights = noise(kN * kK, 4), right = weights;
  Sides() : together(kM * kK), strips((kM + kStripRows) * kK) {
    std::vector<float> columns(kM * kK);
    for (int64_t i = 0; i < kM; ++i) {
      for (int64_t p = 0; p < kK; ++p) {
        const float x = apart[static_cast<size_t>(i * kApart + p)];
        together[static_cast<size_t>(i * kK + p)] = columns[static_cast<size_t>(p * kM + i)] = x;
      }
    }
    packStrips(strips.data(), columns.data(), kK, kM, 0, kM);
    for (int64_t j = 0; j < kN; j += kPanelCols) packWeightPanel(right.data(), weights.data(), kK, kK, kN, j);
  }
};

std::vector<float> intoRows(const ProductKernel& kernel, const LeftSide& left, const Sides& sides) {
  std::vector<float> c(kM * kN);
  multiplyPanels(kernel, {c.data(), kN}, left, sides.right.data(), kM, kN, kK);
  return c;
}

/// Into rows 6 on of panels, and from there into rows.
std::vector<float> intoPanels(const ProductKernel& kernel, const LeftSide& left, const Sides& sides) {
  constexpr int64_t kFirst = 6, kHeight = kFirst + kM + 3;
  std::vector<float> panels(kHeight * kN), c;
  multiplyPanels(kernel, {panels.data(), 0, kFirst, kHeight}, left, sides.right.data(), kM, kN, kK);
  for (int64_t i = 0; i < kM; ++i) {
    for (int64_t j = 0; j < kN; ++j) {
      const int64_t column = j % kPanelCols, begin = j - column;
      c.push_back(panels[static_cast<size_t>(begin * kHeight + (kFirst + i) * panelWidth(kN, begin) + column)]);
    }
  }
  return c;
}

/// With every part of an end; the residual is where the result goes.
std::vector<float> intoEnd(const ProductKernel& kernel, const LeftSide& left, const Sides& sides,
                           const std::vector<float>& bias, const std::vector<float>& scale) {
  std::vector<float> sums(kM * kN), y = noise(kM * kN, 7);
  const ProductEnd end{y.data(), kN, bias.data(), true, scale.data(), y.data()};
  multiplyPanels(kernel, {sums.data(), kN}, left, sides.right.data(), kM, kN, kK, &end);
  return y;
}

std::vector<ProductKernel> kernels() {
  std::vector<ProductKernel> all = {avx2Product()};
  if (__builtin_cpu_supports("avx512f")) all.push_back(avx512Product());
  return all;
}

}  // namespace

TEST_CASE("product kernels give the bits of one chain of fused multiplications, whatever vectors they use") {
  for (const ProductKernel& kernel : kernels()) check(kernel);
}

TEST_CASE("multiplyPanels gives the same bits with every kernel, from and into every order") {
  const Sides sides;
  const std::vector<float> expected = intoRows(avx2Product(), {sides.together.data(), kK, kK}, sides);
  for (int64_t i = 0; i < kM; ++i) {
    for (int64_t j = 0; j < kN; ++j) {
      double sum = 0;
      for (int64_t p = 0; p < kK; ++p) {
        sum += static_cast<double>(sides.together[static_cast<size_t>(i * kK + p)]) *
               static_cast<double>(sides.weights[static_cast<size_t>(j * kK + p)]);
      }
      CHECK(std::abs(static_cast<double>(expected[static_cast<size_t>(i * kN + j)]) - sum) < 1e-4);
    }
  }
  for (const ProductKernel& kernel : kernels()) {
    CAPTURE(kernel.panels);
    for (const LeftSide& left : {LeftSide{sides.together.data(), kK, kK}, LeftSide{sides.apart.data(), kApart, kK},
                                 LeftSide{sides.strips.data(), 0, kK}}) {
      CAPTURE(left.stride);
      CHECK(intoRows(kernel, left, sides) == expected);
      CHECK(intoPanels(kernel, left, sides) == expected);
    }
  }
}

TEST_CASE(
    "multiplyPanels ends with the same bits with every kernel, narrow panels and depths of several steps included") {
  const Sides sides;
  const LeftSide left{sides.together.data(), kK, kK};
  const std::vector<float> bias = noise(kN, 5), scale = noise(kN, 6), residual = noise(kM * kN, 7);
  const std::vector<float> product = intoRows(avx2Product(), left, sides),
                           expected = intoEnd(avx2Product(), left, sides, bias, scale);
  for (int64_t i = 0; i < kM; ++i) {
    for (int64_t j = 0; j < kN; ++j) {
      const auto at = static_cast<size_t>(i * kN + j), column = static_cast<size_t>(j);
      const double x = static_cast<double>(product[at]) + static_cast<double>(bias[column]);
      const double gelu = 0.5 * x * std::erfc(-x / std::sqrt(2.0));
      const double y = static_cast<double>(residual[at]) + static_cast<double>(scale[column]) * gelu;
      CHECK(std::abs(static_cast<double>(expected[at]) - y) < 1e-5 * (1 + std::abs(x)));
    }
  }
  for (const ProductKernel& kernel : kernels()) {
    CAPTURE(kernel.panels);
    CHECK(intoEnd(kernel, left, sides, bias, scale) == expected);
  }
}

}  // namespace dinomaly
