// The product's inner loop, once for each set of vector instructions.
#pragma once

#include "backend/cpu/product.h"

namespace dinomaly {

/// A panel's part of the right side, and the first of the result's rows below it; of an end, what begins there.
struct PanelPart {
  const float* right;
  int64_t width;
  float* c;
  int64_t stride;
  ProductEnd end{};
};

/// The rows of the left side that go with it: row i at a + i / kStripRows * stripStep + i % kStripRows * rowStep.
struct RowsPart {
  const float* a;
  int64_t rowStep, stripStep;
};

/// What is brought into the second-level cache meanwhile: for column p of the left side the line at from + p * step.
/// Addresses where nothing lies do no harm.
struct Ahead {
  const float* from;
  int64_t step;
};

struct ProductKernel {
  int64_t rows, panels;  // that go through the registers at a time, at most
  /// c (rows, panels) = or += a (rows,k) b, and from there to the end, if there is one. packed: of the left side, each
  /// kStripRows rows lie together.
  void (*multiply)(int64_t rows, int64_t panels, const PanelPart* parts, const RowsPart& left, bool packed, int64_t k,
                   bool add, const Ahead& ahead);
};

/// multiplyPanels with a kernel of the caller's choice, which changes no bit.
void multiplyPanels(const ProductKernel& kernel, const Result& result, const LeftSide& left, const float* right,
                    int64_t m, int64_t n, int64_t k, const ProductEnd* end = nullptr, Soon soon = {});

ProductKernel avx2Product();
/// For processors that have AVX-512F.
ProductKernel avx512Product();

}  // namespace dinomaly
