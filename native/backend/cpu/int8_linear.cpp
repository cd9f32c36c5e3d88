// Linear layers of bytes: activations are rounded as they come, each row (token) with a scale and a zero point of its
// own, so that a row's result depends on nothing but that row.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

#include "backend/cpu/cpu_backend.h"
#include "backend/cpu/int8_product.h"
#include "backend/cpu/row_parts.h"
#include "backend/cpu/vector_math.h"

namespace dinomaly {
namespace {

/// Rows of a thread's share of a product, whose sums then stay in the second-level cache.
constexpr int64_t kTileRows = 72;

/// A row is about scale * (bytes - zero).
struct RowScale {
  float scale;
  int32_t zero;
};

/// The integer nearest to x * by, which must be below 2^22; of a NaN any.
inline int32_t scaledToInteger(float x, float by) {
  const float shifted = std::fma(x, by, 12582912.0f);  // adding 1.5 * 2^23 rounds to an integer, the low bits
  int32_t bits;
  std::memcpy(&bits, &shifted, sizeof bits);
  return bits - 0x4B400000;
}

/// A value that is not finite makes the scale NaN, and so the row's results.
RowScale roundRow(uint8_t* bytes, const float* x, int64_t n, int32_t levels) {
  float low = 0, high = 0, check = 0;
#pragma omp simd reduction(min : low) reduction(max : high) reduction(+ : check)
  for (int64_t i = 0; i < n; ++i) {
    low = x[i] < low ? x[i] : low;
    high = x[i] > high ? x[i] : high;
    check += x[i] * 0.0f;
  }
  const float range = high - low, inverse = range > 0 ? static_cast<float>(levels) / range : 0;
  const int32_t zero = -scaledToInteger(low, inverse);
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) {
    const int32_t byte = scaledToInteger(x[i], inverse) + zero;
    bytes[i] = static_cast<uint8_t>(std::min(std::max(byte, 0), levels));
  }
  return {range / static_cast<float>(levels) + check, zero};
}

/// The parts of an epilogue that are there, as bits.
constexpr unsigned kBias = 1, kGelu = 2, kScale = 4, kResidual = 8, kAllParts = 15;

unsigned partsOf(const FloatEpilogue& e) {
  return (e.bias ? kBias : 0u) | (e.activation == Activation::gelu ? kGelu : 0u) | (e.scale ? kScale : 0u) |
         (e.residual ? kResidual : 0u);
}

/// residual + scale * act(v + bias), for column j of e.
template <unsigned kParts>
float finished(float v, const FloatEpilogue& e, int64_t j) {
  if constexpr ((kParts & kBias) != 0) v += e.bias[j];
  if constexpr ((kParts & kGelu) != 0) v = geluOf(v);
  if constexpr ((kParts & kScale) != 0) v *= e.scale[j];
  if constexpr ((kParts & kResidual) != 0) v += e.residual[j];
  return v;
}

/// Row<parts>::finish for the parts of e, so that a loop over a row asks for none of them.
template <template <unsigned> class Row, unsigned... kParts>
auto finishOf(const FloatEpilogue& e, std::integer_sequence<unsigned, kParts...>) {
  static constexpr decltype(&Row<0>::finish) kAll[] = {Row<kParts>::finish...};
  return kAll[partsOf(e)];
}
template <template <unsigned> class Row>
auto finishOf(const FloatEpilogue& e) {
  return finishOf<Row>(e, std::make_integer_sequence<unsigned, kAllParts + 1>());
}

/// The epilogue of a part of the result that begins at `column`, and at `at` of the whole result.
FloatEpilogue partOf(const FloatEpilogue& e, int64_t column, int64_t at) {
  const auto from = [](const float* p, int64_t offset) { return p ? p + offset : nullptr; };
  return {from(e.bias, column), e.activation, from(e.scale, column), from(e.residual, at), e.mayRound};
}

/// Finishes one row of a tile, back in f32. Everything but `row` begins at the tile's first column.
template <unsigned kParts>
struct Row {
  static void finish(float* y, const int32_t* sums, int64_t n, RowScale row, const float* scales,
                     const int32_t* zeroSums, const FloatEpilogue& e) {
#pragma omp simd
    for (int64_t j = 0; j < n; ++j) {
      const float v = static_cast<float>(sums[j] - row.zero * zeroSums[j]) * (row.scale * scales[j]);
      y[j] = finished<kParts>(v, e, j);
    }
  }
};

}  // namespace

void CpuBackend::parametersChanged() {
  if (bytes_) bytes_->clear();
}

void CpuBackend::linearOfBytes(float* y, const float* x, const float* w, int64_t rows, int64_t in, int64_t out,
                               const FloatEpilogue& e) {
  const ByteWeights& weights = bytes_->of(w, in, out);
  const auto rounded = std::static_pointer_cast<uint8_t>(allocateBytes(rows * in));
  const auto scales = std::static_pointer_cast<RowScale>(allocateBytes(rows * int64_t{sizeof(RowScale)}));
  const int32_t levels = byteLevels().left;
  threads_.runBlocks(rows, RowParts::kUnit, [&](int64_t first, int64_t end) {
    for (int64_t r = first; r < end; ++r) {
      scales.get()[r] = roundRow(rounded.get() + r * in, x + r * in, in, levels);
    }
  });
  const auto finish = finishOf<Row>(e);
  const RowParts parts(rows, kTileRows, threads_.size());
  threads_.runGrid(parts.count(), (out + kByteColumns - 1) / kByteColumns, [&](int64_t part, int64_t block) {
    alignas(64) thread_local int32_t sums[kTileRows * kByteColumns];
    const int64_t row = parts.begin(part), column = block * kByteColumns;
    const int64_t m = parts.end(part) - row, n = std::min(kByteColumns, out - column);
    multiplyBytes(sums, rounded.get() + row * in, weights.block(block), m, n, in);
    for (int64_t i = 0; i < m; ++i) {
      const int64_t at = (row + i) * out + column;
      finish(y + at, sums + i * n, n, scales.get()[row + i], weights.scales.data() + column,
             weights.sums.data() + column, partOf(e, column, at));
    }
  });
}

}  // namespace dinomaly
