// The product's inner loop, once for each set of vector instructions.
#pragma once

#include "backend/cpu/product.h"

namespace dinomaly {

/// Some panels of the right side beside each other, and the first of the result's rows below them; of an end, what
/// begins there.
struct PanelsPart {
  const float* right;
  int64_t rightStep;  // from a panel to the next
  int64_t width;      // of each: less than kPanelCols only if it is alone
  float* c;
  int64_t stride, step;  // from a row to the next, and from a panel to the next
  ProductEnd end{};
};

/// The rows of the left side that go with them, rowStep apart.
struct LeftRows {
  const float* a;
  int64_t rowStep;
};

/// What is brought into the second-level cache meanwhile: for column p of the left side the line at from + p * step.
/// Addresses where nothing lies do no harm.
struct Ahead {
  const float* from;
  int64_t step;
};

struct ProductKernel {
  int64_t panels;  // that go through the registers at a time, at most
  /// c (rows, panels) = or += a (rows,k) b of up to kStripRows rows, and from there to the end, if there is one.
  /// packed: the rows lie together, column after column.
  void (*multiply)(int64_t rows, int64_t panels, const PanelsPart& part, const LeftRows& left, bool packed, int64_t k,
                   bool add, const Ahead& ahead);
};

/// multiplyPanels with a kernel of the caller's choice, which changes no bit.
void multiplyPanels(const ProductKernel& kernel, const Result& result, const LeftSide& left, const float* right,
                    int64_t m, int64_t n, int64_t k, const ProductEnd* end = nullptr, Soon soon = {});

ProductKernel avx2Product();
/// For processors that have AVX-512F.
ProductKernel avx512Product();

}  // namespace dinomaly
