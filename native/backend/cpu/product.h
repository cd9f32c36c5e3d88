// The matrix product behind linear layers and softmax attention, over panels: sixteen columns of the right side lie
// together, so that the kernel reads both sides in order and no product packs anything again.
#pragma once

#include <algorithm>
#include <cstdint>

namespace dinomaly {

/// A matrix (k,n) in panels of kPanelCols columns: panel after panel, in each row after row. The last panel is as
/// narrow as what is left, so panels take as much memory as rows. Column j (a multiple of kPanelCols) begins at j * k.
constexpr int64_t kPanelCols = 16;

/// The columns of the panel that begins at column j.
inline int64_t panelWidth(int64_t n, int64_t j) {
  return std::min(kPanelCols, n - j);
}

/// The left side (m,k): rows `stride` apart, or strips of kStripRows rows: strip after strip, in each column after
/// column, the last strip filled up with anything.
constexpr int64_t kStripRows = 6;
struct LeftSide {
  const float* data;
  int64_t stride;  // 0: strips
  int64_t depth;   // k of the whole matrix
};

/// Where the result goes: element (i,j) to data[i * stride + j]; or into rows `first` on of panels of `height` rows.
struct Result {
  float* data;
  int64_t stride;  // 0: panels
  int64_t first = 0, height = 0;
  bool add = false;  // to what is there
};

/// As much of k as is multiplied at a time: 48 KiB of a panel, which the second-level cache keeps for all rows of a
/// tile.
constexpr int64_t kProductDepth = 768;

/// What is done to the elements of a product before they leave the registers: y = residual + scale * act(product +
/// bias), element (i,j) at i * stride + j of y and residual, which may be the same. Null: left out.
struct ProductEnd {
  float* y;
  int64_t stride;
  const float* bias = nullptr;  // (n)
  bool gelu = false;
  const float* scale = nullptr;     // (n)
  const float* residual = nullptr;  // (m,n)
};

/// What the caller reads soon after a product, and is fetched from memory meanwhile.
struct Soon {
  const float* from = nullptr;
  int64_t count = 0;
};

/// result (m,n) = left (m,k) right (k,n), k > 0, on the calling thread alone. Each element is one chain of fused
/// multiplications and additions for every kProductDepth of k, in order: it depends neither on m and n nor on where
/// the element lies. With an end it goes there, and `result` is room for what is not complete yet.
void multiplyPanels(const Result& result, const LeftSide& left, const float* right, int64_t m, int64_t n, int64_t k,
                    const ProductEnd* end = nullptr, Soon soon = {});

}  // namespace dinomaly
