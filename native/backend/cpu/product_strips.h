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

/// The part's c = or += sums, or what the end makes of them. Each step is taken for all of them at once, in the
/// registers where they are: which inlining is for.
template <typename Vector, int kRows, int kAll>
[[gnu::always_inline]] inline void finishPanels(const PanelsPart& part, Vector (&sums)[kRows][kAll], bool add) {
  constexpr int kLanes = sizeof(Vector) / sizeof(float);
  const ProductEnd& end = part.end;
  const auto each = [&](const auto& operation) {
#pragma GCC unroll 4
    for (int v = 0; v < kAll; ++v) {
#pragma GCC unroll 6
      for (int i = 0; i < kRows; ++i) operation(sums[i][v], i, v * kLanes);
    }
  };
  const auto c = [&](int i, int at) {
    return part.c + i * part.stride + at / kPanelCols * part.step + at % kPanelCols;
  };
  if (add) each([&](Vector& x, int i, int at) { x += load<Vector>(c(i, at)); });
  if (!end.y) return each([&](const Vector& x, int i, int at) { store(c(i, at), x); });
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

/// finishPanels() for a panel that is narrower than its sums, row by row.
template <typename Vector>
[[gnu::noinline]] void finishNarrowPanel(const PanelsPart& part, const float* sums, int rows, bool add) {
  constexpr int kLanes = sizeof(Vector) / sizeof(float), kPerPanel = kPanelCols / kLanes;
  const ProductEnd& end = part.end;
  const Widened bias(end.bias, part.width), scale(end.scale, part.width);
  for (int i = 0; i < rows; ++i) {
    float *const c = part.c + i * part.stride, *const y = end.y + i * end.stride;
    const float* const residual = end.residual ? end.residual + i * end.stride : nullptr;
    Widened result(add ? c : nullptr, part.width);
    const Widened before(residual, part.width);
    PanelsPart whole{part.right, 0, kPanelCols, result.values, kPanelCols, kPanelCols};
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
    finishPanels(whole, row, add);
    float* const to = end.y ? y : c;
    for (int64_t j = 0; j < part.width; ++j) to[j] = result.values[j];
  }
}

/// Asks for the lines of a row that finishPanels() will touch. Inline, since a call that only asks has no effect that
/// GCC would keep it for.
template <int kPanels>
[[gnu::always_inline]] inline void fetchRow(const PanelsPart& part, int i) {
  constexpr int kWrite = 1;
  const ProductEnd& end = part.end;
  const float* const to = end.y ? end.y + i * end.stride : part.c + i * part.stride;
  const int64_t step = end.y ? kPanelCols : part.step;
#pragma GCC unroll 4
  for (int panel = 0; panel < kPanels; ++panel) __builtin_prefetch(to + panel * step, kWrite);
  if (!end.residual) return;
#pragma GCC unroll 4
  for (int panel = 0; panel < kPanels; ++panel) {
    __builtin_prefetch(end.residual + i * end.stride + panel * kPanelCols);
  }
}

/// The left side's elements of one column, row by row. Addresses add a register once, twice or four times, so six rows
/// take four registers: with more, some would have to lie in vectors, and moving them costs multiplications.
template <bool kPacked>
class Column {
 public:
  explicit Column(const LeftRows& rows)
      : at_(reinterpret_cast<const char*>(rows.a)),
        one_(kPacked ? kFloat : rows.rowStep * kFloat),
        three_(3 * one_),
        five_(5 * one_) {
    if (!kPacked) asm("" : "+r"(three_), "+r"(five_));  // so that compilers do not make six of them
  }
  float operator[](int i) const {
    const int64_t steps[] = {0, one_, 2 * one_, three_, 4 * one_, five_};
    static_assert(kStripRows == sizeof steps / sizeof *steps);
    float x;
    __builtin_memcpy(&x, at_ + steps[i], sizeof x);
    return x;
  }
  void next() { at_ += kPacked ? kStripRows * kFloat : kFloat; }

 private:
  static constexpr int64_t kFloat = sizeof(float);
  const char* at_;
  int64_t one_, three_, five_;
};

/// c (kRows, kPanels * 16) = or += a (kRows, k) b: all sums of it in registers.
template <typename Vector, int kRows, int kPanels, bool kPacked>
void multiplyStrip(const PanelsPart& part, const LeftRows& rows, int64_t k, bool add, const Ahead& ahead) {
  constexpr int kLanes = sizeof(Vector) / sizeof(float), kPerPanel = kPanelCols / kLanes, kAll = kPanels * kPerPanel;
  Vector sums[kRows][kAll];
#pragma GCC unroll 6
  for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 4
    for (int v = 0; v < kAll; ++v) sums[i][v] = Vector{};
  }
  Column<kPacked> left(rows);
  const float *right = part.right, *soon = ahead.from;
  const auto addColumn = [&] {
    constexpr int kRead = 0, kSecondLevel = 2;
    __builtin_prefetch(soon, kRead, kSecondLevel);
    soon += ahead.step;
    Vector b[kAll];
#pragma GCC unroll 4
    for (int v = 0; v < kAll; ++v) b[v] = load<Vector>(right + v / kPerPanel * part.rightStep + v % kPerPanel * kLanes);
#pragma GCC unroll 6
    for (int i = 0; i < kRows; ++i) {
      const float x = left[i];
#pragma GCC unroll 4
      for (int v = 0; v < kAll; ++v) sums[i][v] += x * b[v];
    }
    left.next();
    right += kPanelCols;
  };
  // What the end needs is asked for first, but not all at once, which would hold up what these columns read: too late
  // for short products, which do without.
  constexpr int64_t kColumnsOfRow = 16;
  int64_t p = 0;
  for (int i = 0; k >= kRows * kColumnsOfRow && i < kRows; ++i) {
    fetchRow<kPanels>(part, i);
    for (const int64_t end = p + kColumnsOfRow; p < end; ++p) addColumn();
  }
  for (; p < k; ++p) addColumn();
  if constexpr (kPanels == 1) {
    if (part.width < kPanelCols) {
      float narrow[kRows * kPanelCols];
#pragma GCC unroll 6
      for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 2
        for (int v = 0; v < kAll; ++v) store(narrow + i * kPanelCols + v * kLanes, sums[i][v]);
      }
      return finishNarrowPanel<Vector>(part, narrow, kRows, add);
    }
  }
  finishPanels(part, sums, add);
}

/// multiplyStrip for a number of rows and panels that is known only now: of at most kRows and kPanels.
template <typename Vector, int kRows, int kPanels>
void multiplyStrips(int64_t rows, int64_t panels, const PanelsPart& part, const LeftRows& left, bool packed, int64_t k,
                    bool add, const Ahead& ahead) {
  if constexpr (kRows > 1) {
    if (rows < kRows) {
      return multiplyStrips<Vector, kRows - 1, kPanels>(rows, panels, part, left, packed, k, add, ahead);
    }
  }
  if constexpr (kPanels > 1) {
    if (panels < kPanels) {
      return multiplyStrips<Vector, kRows, kPanels - 1>(rows, panels, part, left, packed, k, add, ahead);
    }
  }
  if (packed) {
    multiplyStrip<Vector, kRows, kPanels, true>(part, left, k, add, ahead);
  } else {
    multiplyStrip<Vector, kRows, kPanels, false>(part, left, k, add, ahead);
  }
}

}  // namespace
}  // namespace dinomaly
