// The product's inner loops, for whatever vectors the including file is compiled for. As in vectors.h, nothing here may
// be shared between such files.
#pragma once

#include "backend/cpu/product_kernel.h"
#include "backend/cpu/vector_math.h"
#include "backend/cpu/vectors.h"

namespace dinomaly {
namespace {

/// geluOf() of each lane.
template <typename Vector>
inline Vector geluOfEach(const Vector& x) {
  using Bits = typename BitsOf<sizeof(Vector)>::Type;
  const Vector magnitude = reinterpret_cast<Vector>(reinterpret_cast<Bits>(x) & 0x7fffffffu);
  return geluFrom(x, magnitude, smaller(magnitude, Vector{} + kGeluLimit));
}

/// A panel's part of c = or += sums, or what the end makes of them; the first of the panel's vectors is `first`. Each
/// step is taken for all of them at once, in the registers where they are.
template <int kPerPanel, typename Vector, int kRows, int kAll>
inline void finishPanel(const PanelPart& part, Vector (&sums)[kRows][kAll], int first, bool add) {
  constexpr int kLanes = sizeof(Vector) / sizeof(float);
  const ProductEnd& end = part.end;
  const auto each = [&](const auto& operation) {
#pragma GCC unroll 2
    for (int v = 0; v < kPerPanel; ++v) {
#pragma GCC unroll 12
      for (int i = 0; i < kRows; ++i) operation(sums[i][first + v], i, v * kLanes);
    }
  };
  if (add) each([&](Vector& x, int i, int at) { x += load<Vector>(part.c + i * part.stride + at); });
  if (!end.y) return each([&](const Vector& x, int i, int at) { store(part.c + i * part.stride + at, x); });
  if (end.bias) each([&](Vector& x, int, int at) { x += load<Vector>(end.bias + at); });
  if (end.gelu) each([&](Vector& x, int, int) { x = geluOfEach(x); });
  if (end.scale) each([&](Vector& x, int, int at) { x *= load<Vector>(end.scale + at); });
  if (end.residual) each([&](Vector& x, int i, int at) { x += load<Vector>(end.residual + i * end.stride + at); });
  each([&](const Vector& x, int i, int at) { store(end.y + i * end.stride + at, x); });
}

/// `width` floats and zeros.
struct Widened {
  float values[kPanelCols] = {};
  Widened(const float* from, int64_t width) {
    for (int64_t j = 0; from && j < width; ++j) values[j] = from[j];
  }
};

/// finishPanel() for a panel that is narrower than its sums, row by row.
template <typename Vector>
[[gnu::noinline]] void finishNarrowPanel(const PanelPart& part, const float* sums, int rows, bool add) {
  constexpr int kLanes = sizeof(Vector) / sizeof(float), kPerPanel = kPanelCols / kLanes;
  const ProductEnd& end = part.end;
  const Widened bias(end.bias, part.width), scale(end.scale, part.width);
  for (int i = 0; i < rows; ++i) {
    float *const c = part.c + i * part.stride, *const y = end.y + i * end.stride;
    const float* const residual = end.residual ? end.residual + i * end.stride : nullptr;
    Widened result(add ? c : nullptr, part.width);
    const Widened before(residual, part.width);
    PanelPart whole{part.right, kPanelCols, result.values, kPanelCols};
    if (end.y) {
      whole.end = {result.values,
                   kPanelCols,
                   end.bias ? bias.values : nullptr,
                   end.gelu,
                   end.scale ? scale.values : nullptr,
                   residual ? before.values : nullptr};
    }
    Vector row[1][kPerPanel];
#pragma GCC unroll 2
    for (int v = 0; v < kPerPanel; ++v) row[0][v] = load<Vector>(sums + i * kPanelCols + v * kLanes);
    finishPanel<kPerPanel>(whole, row, 0, add);
    float* const to = end.y ? y : c;
    for (int64_t j = 0; j < part.width; ++j) to[j] = result.values[j];
  }
}

/// Asks for the lines of a row that finishPanel() will touch. Inline, since a call that only asks has no effect that
/// GCC would keep it for.
[[gnu::always_inline]] inline void fetchRow(const PanelPart& part, int i) {
  constexpr int kWrite = 1;
  const ProductEnd& end = part.end;
  __builtin_prefetch(end.y ? end.y + i * end.stride : part.c + i * part.stride, kWrite);
  if (end.residual) __builtin_prefetch(end.residual + i * end.stride);
}

/// The left side's elements of one column, row by row. Addresses add a register once, twice or four times, so twelve
/// rows take five registers: with more, some would have to lie in vectors, and moving them costs multiplications.
template <bool kPacked>
class Column {
 public:
  explicit Column(const RowsPart& rows)
      : strips_{reinterpret_cast<const char*>(rows.a), reinterpret_cast<const char*>(rows.a + rows.stripStep)},
        one_(kPacked ? kFloat : rows.rowStep * kFloat),
        three_(3 * one_),
        five_(5 * one_) {
    if (!kPacked) asm("" : "+r"(three_), "+r"(five_));  // so that compilers do not make twelve of them
  }
  float operator[](int i) const {
    const int64_t steps[kStripRows] = {0, one_, 2 * one_, three_, 4 * one_, five_};
    float x;
    __builtin_memcpy(&x, strips_[i / kStripRows] + steps[i % kStripRows], sizeof x);
    return x;
  }
  void next() {
    for (const char*& strip : strips_) strip += kPacked ? kStripRows * kFloat : kFloat;
  }

 private:
  static constexpr int64_t kFloat = sizeof(float);
  static_assert(kStripRows == 6);
  const char* strips_[2];
  int64_t one_, three_, five_;
};

/// c (kRows, kPanels * 16) = or += a (kRows, k) b: all sums of it in registers.
template <typename Vector, int kRows, int kPanels, bool kPacked>
void multiplyStrip(const PanelPart* parts, const RowsPart& rows, int64_t k, bool add, const Ahead& ahead) {
  constexpr int kLanes = sizeof(Vector) / sizeof(float), kPerPanel = kPanelCols / kLanes, kAll = kPanels * kPerPanel;
  Vector sums[kRows][kAll];
  Column<kPacked> left(rows);
  const float *right[kPanels], *soon = ahead.from;
#pragma GCC unroll 2
  for (int panel = 0; panel < kPanels; ++panel) right[panel] = parts[panel].right;
#pragma GCC unroll 12
  for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 2
    for (int v = 0; v < kAll; ++v) sums[i][v] = Vector{};
  }
  const auto addColumn = [&] {
    constexpr int kRead = 0, kSecondLevel = 2;
    __builtin_prefetch(soon, kRead, kSecondLevel);
    soon += ahead.step;
    Vector b[kAll];
#pragma GCC unroll 2
    for (int v = 0; v < kAll; ++v) b[v] = load<Vector>(right[v / kPerPanel] + v % kPerPanel * kLanes);
#pragma GCC unroll 12
    for (int i = 0; i < kRows; ++i) {
      const float x = left[i];
#pragma GCC unroll 2
      for (int v = 0; v < kAll; ++v) sums[i][v] += x * b[v];
    }
    left.next();
#pragma GCC unroll 2
    for (const float*& panel : right) panel += kPanelCols;
  };
  // What the end needs is asked for first, but not all at once, which would hold up what these columns read.
  constexpr int kColumnsOfRow = 4;
  int64_t p = 0;
  for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 2
    for (int panel = 0; panel < kPanels; ++panel) fetchRow(parts[panel], i);
    if (p + kColumnsOfRow > k) continue;
    p += kColumnsOfRow;
#pragma GCC unroll 4
    for (int column = 0; column < kColumnsOfRow; ++column) addColumn();
  }
  for (; p < k; ++p) addColumn();
#pragma GCC unroll 2
  for (int panel = 0; panel < kPanels; ++panel) {
    if (parts[panel].width == kPanelCols) {
      finishPanel<kPerPanel>(parts[panel], sums, panel * kPerPanel, add);
      continue;
    }
    float narrow[kRows * kPanelCols];
#pragma GCC unroll 12
    for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 2
      for (int v = 0; v < kPerPanel; ++v) {
        store(narrow + i * kPanelCols + v * kLanes, sums[i][panel * kPerPanel + v]);
      }
    }
    finishNarrowPanel<Vector>(parts[panel], narrow, kRows, add);
  }
}

/// multiplyStrip for a number of rows and panels that is known only now: of at most kRows and kPanels.
template <typename Vector, int kRows, int kPanels>
void multiplyStrips(int64_t rows, int64_t panels, const PanelPart* parts, const RowsPart& left, bool packed, int64_t k,
                    bool add, const Ahead& ahead) {
  if constexpr (kRows > 1) {
    if (rows < kRows) {
      return multiplyStrips<Vector, kRows - 1, kPanels>(rows, panels, parts, left, packed, k, add, ahead);
    }
  }
  if constexpr (kPanels > 1) {
    if (panels < kPanels) {
      return multiplyStrips<Vector, kRows, kPanels - 1>(rows, panels, parts, left, packed, k, add, ahead);
    }
  }
  if (packed) {
    multiplyStrip<Vector, kRows, kPanels, true>(parts, left, k, add, ahead);
  } else {
    multiplyStrip<Vector, kRows, kPanels, false>(parts, left, k, add, ahead);
  }
}

}  // namespace
}  // namespace dinomaly
