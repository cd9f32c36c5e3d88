// What is done to an element of a linear layer's product while it lies in cache.
#pragma once

#include <cstdint>
#include <utility>

#include "backend/cpu/vector_math.h"
#include "backend/float_backend.h"

namespace dinomaly {

/// The parts of an epilogue that are there, as bits.
constexpr unsigned kBias = 1, kGelu = 2, kScale = 4, kResidual = 8, kAllParts = 15;

inline unsigned partsOf(const FloatEpilogue& e) {
  return (e.bias ? kBias : 0u) | (e.activation == Activation::gelu ? kGelu : 0u) | (e.scale ? kScale : 0u) |
         (e.residual ? kResidual : 0u);
}

/// residual + scale * act(v + bias), for column j of e.
template <unsigned kParts>
inline float finished(float v, const FloatEpilogue& e, int64_t j) {
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
inline FloatEpilogue partOf(const FloatEpilogue& e, int64_t column, int64_t at) {
  const auto from = [](const float* p, int64_t offset) { return p ? p + offset : nullptr; };
  return {from(e.bias, column), e.activation, from(e.scale, column), from(e.residual, at), e.mayRound};
}

}  // namespace dinomaly
