// The product's inner loops, for whatever vectors the including file is compiled for. Nothing here may be shared
// between such files: a function of one that the linker took for the other's would use instructions that are not there.
#pragma once

#include "backend/cpu/product_kernel.h"
#include "backend/cpu/vector_math.h"

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

/// geluOf() of each lane.
template <typename Vector>
inline Vector geluOfEach(const Vector& x) {
  const Vector magnitude = x < 0.0f ? -x : x, limit = Vector{} + kGeluLimit;
  return geluFrom(x, magnitude, magnitude < limit ? magnitude : limit);
}

/// What an end makes of the sums of a vector that begins `at` columns after it.
template <typename Vector>
inline Vector ended(Vector v, const ProductEnd& end, int64_t at, const float* residual) {
  if (end.bias) v += load<Vector>(end.bias + at);
  if (end.gelu) v = geluOfEach(v);
  if (end.scale) v *= load<Vector>(end.scale + at);
  if (residual) v += load<Vector>(residual + at);
  return v;
}

/// `width` floats and zeros.
struct Widened {
  float values[kPanelCols] = {};
  Widened(const float* from, int64_t width) {
    for (int64_t j = 0; from && j < width; ++j) values[j] = from[j];
  }
};

/// One row of a panel from c to the part's end.
template <typename Vector>
inline void endRow(float* y, const float* c, const ProductEnd& end, const float* residual) {
  for (int64_t at = 0; at < kPanelCols; at += static_cast<int64_t>(sizeof(Vector) / sizeof(float))) {
    store(y + at, ended(load<Vector>(c + at), end, at, residual));
  }
}

/// All rows, which have just been stored; those of a narrow panel through some that are not.
template <typename Vector>
void endPanel(const PanelPart& part, int rows) {
  const ProductEnd& end = part.end;
  for (int i = 0; i < rows; ++i) {
    float* const y = end.y + i * end.stride;
    const float *const c = part.c + i * part.stride, *residual = end.residual ? end.residual + i * end.stride : nullptr;
    if (part.width == kPanelCols) {
      endRow<Vector>(y, c, end, residual);
      continue;
    }
    const Widened wide(c, part.width), bias(end.bias, part.width), scale(end.scale, part.width),
        before(residual, part.width);
    const ProductEnd whole{nullptr, 0, end.bias ? bias.values : nullptr, end.gelu, end.scale ? scale.values : nullptr};
    Widened row(nullptr, 0);
    endRow<Vector>(row.values, wide.values, whole, residual ? before.values : nullptr);
    for (int64_t j = 0; j < part.width; ++j) y[j] = row.values[j];
  }
}

/// Asks for the lines that endPanel() will touch while the sums are still to be computed.
inline void fetchEnd(const ProductEnd& end, int rows) {
  constexpr int kWrite = 1;
  for (int i = 0; i < rows; ++i) {
    __builtin_prefetch(end.y + i * end.stride, kWrite);
    if (end.residual) __builtin_prefetch(end.residual + i * end.stride);
  }
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
  for (int panel = 0; panel < kPanels; ++panel) {
    right[panel] = parts[panel].right;
    if (parts[panel].end.y) fetchEnd(parts[panel].end, kRows);
  }
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
  for (int panel = 0; panel < kPanels; ++panel) {
    storePanel<kPerPanel>(parts[panel], sums, panel * kPerPanel, add);
    if (parts[panel].end.y) endPanel<Vector>(parts[panel], kRows);
  }
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
