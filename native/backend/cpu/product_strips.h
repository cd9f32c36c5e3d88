// The product's inner loops, for whatever vectors the including file is compiled for. Nothing here may be shared
// between such files: a function of one that the linker took for the other's would use instructions that are not there.
#pragma once

#include "backend/cpu/product_kernel.h"

namespace dinomaly {
namespace {

template <typename Vector>
inline Vector load(const float* from) {
  Vector v;
  __builtin_memcpy(&v, from, sizeof v);
  return v;
}
template <typename Vector>
inline void store(float* to, const Vector& v) {
  __builtin_memcpy(to, &v, sizeof v);
}

/// A panel's part of c = or += sums; the first of its vectors is `first`.
template <int kPerPanel, typename Vector, int kRows, int kAll>
inline void storePanel(const PanelPart& part, const Vector (&sums)[kRows][kAll], int first, bool add) {
  constexpr int kLanes = kPanelCols / kPerPanel;
  if (part.width == kPanelCols) {
#pragma GCC unroll 12
    for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 2
      for (int v = 0; v < kPerPanel; ++v) {
        float* const to = part.c + i * part.stride + v * kLanes;
        const Vector& sum = sums[i][first + v];
        store(to, add ? load<Vector>(to) + sum : sum);
      }
    }
    return;
  }
#pragma GCC unroll 12
  for (int i = 0; i < kRows; ++i) {
    float sum[kPanelCols];
#pragma GCC unroll 2
    for (int v = 0; v < kPerPanel; ++v) store(sum + v * kLanes, sums[i][first + v]);
    float* const to = part.c + i * part.stride;
    for (int64_t j = 0; j < part.width; ++j) to[j] = add ? to[j] + sum[j] : sum[j];
  }
}

/// c (kRows, kPanels * 16) = or += a (kRows, k) b: all sums of it in registers. a: element (i,p) at row i [p *
/// kDepthStep].
template <typename Vector, int kRows, int kPanels, int64_t kDepthStep>
void multiplyStrip(const PanelPart* parts, const RowsPart& rows, int64_t k, bool add) {
  constexpr int kLanes = sizeof(Vector) / sizeof(float), kPerPanel = kPanelCols / kLanes, kAll = kPanels * kPerPanel;
  Vector sums[kRows][kAll];
  const float *row[kRows], *right[kPanels];
#pragma GCC unroll 2
  for (int panel = 0; panel < kPanels; ++panel) right[panel] = parts[panel].right;
#pragma GCC unroll 12
  for (int i = 0; i < kRows; ++i) {
    row[i] = rows.a + i / kStripRows * rows.stripStep + i % kStripRows * rows.rowStep;
#pragma GCC unroll 2
    for (int v = 0; v < kAll; ++v) sums[i][v] = Vector{};
  }
  for (int64_t p = 0; p < k; ++p) {
    Vector b[kAll];
#pragma GCC unroll 2
    for (int v = 0; v < kAll; ++v) {
      b[v] = load<Vector>(right[v / kPerPanel] + p * kPanelCols + v % kPerPanel * kLanes);
    }
#pragma GCC unroll 12
    for (int i = 0; i < kRows; ++i) {
      const float x = row[i][p * kDepthStep];
#pragma GCC unroll 2
      for (int v = 0; v < kAll; ++v) sums[i][v] += x * b[v];
    }
  }
#pragma GCC unroll 2
  for (int panel = 0; panel < kPanels; ++panel) storePanel<kPerPanel>(parts[panel], sums, panel * kPerPanel, add);
}

/// multiplyStrip for a number of rows and panels that is known only now: of at most kRows and kPanels.
template <typename Vector, int kRows, int kPanels>
void multiplyStrips(int64_t rows, int64_t panels, const PanelPart* parts, const RowsPart& left, bool packed, int64_t k,
                    bool add) {
  if constexpr (kRows > 1) {
    if (rows < kRows) return multiplyStrips<Vector, kRows - 1, kPanels>(rows, panels, parts, left, packed, k, add);
  }
  if constexpr (kPanels > 1) {
    if (panels < kPanels) return multiplyStrips<Vector, kRows, kPanels - 1>(rows, panels, parts, left, packed, k, add);
  }
  if (packed) {
    multiplyStrip<Vector, kRows, kPanels, kStripRows>(parts, left, k, add);
  } else {
    multiplyStrip<Vector, kRows, kPanels, 1>(parts, left, k, add);
  }
}

}  // namespace
}  // namespace dinomaly
