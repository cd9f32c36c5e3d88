// AttentionKernel's functions, for whatever vectors the including file is compiled for. As in vectors.h, nothing here
// may be shared between such files.
#pragma once

#include <cstring>

#include "backend/cpu/attention_kernel.h"
#include "backend/cpu/product.h"
#include "backend/cpu/vectors.h"

namespace dinomaly {
namespace {

/// Sixteen lanes in as many vectors as it takes. Each operation goes over all of them, so that none waits for the one
/// before.
template <typename Vector>
struct Lanes {
  static constexpr int64_t kLanesOfOne = sizeof(Vector) / sizeof(float);
  static constexpr int kParts = kPanelCols * sizeof(float) / sizeof(Vector);
  Vector part[kParts];

  static Lanes load(const float* from) {
    return each([&](int i) { return dinomaly::load<Vector>(from + i * kLanesOfOne); });
  }
  void store(float* to) const {
#pragma GCC unroll 4
    for (int i = 0; i < kParts; ++i) dinomaly::store(to + i * kLanesOfOne, part[i]);
  }

  template <typename Operation>
  static Lanes each(const Operation& operation) {
    Lanes lanes;
#pragma GCC unroll 4
    for (int i = 0; i < kParts; ++i) lanes.part[i] = operation(i);
    return lanes;
  }
  friend Lanes operator+(const Lanes& a, const Lanes& b) {
    return each([&](int i) { return a.part[i] + b.part[i]; });
  }
  friend Lanes operator-(const Lanes& a, const Lanes& b) {
    return each([&](int i) { return a.part[i] - b.part[i]; });
  }
  friend Lanes operator*(const Lanes& a, const Lanes& b) {
    return each([&](int i) { return a.part[i] * b.part[i]; });
  }
  friend Lanes operator+(const Lanes& a, float b) {
    return each([&](int i) { return a.part[i] + b; });
  }
  friend Lanes operator-(const Lanes& a, float b) {
    return each([&](int i) { return a.part[i] - b; });
  }
  friend Lanes operator*(const Lanes& a, float b) {
    return each([&](int i) { return a.part[i] * b; });
  }
};

/// 2^(scale * x - whole), whole an integer, within 2 units in the last place; 0 below 2^-126, anything from 2^128 on.
/// On +-1/2 the polynomial is within 8e-8.
template <typename Vector>
inline Lanes<Vector> powersOf2(const Lanes<Vector>& x, float scale, float whole) {
  using Bits = typename BitsOf<sizeof(Vector)>::Type;
  constexpr float kRound = 12582912.0f;  // adding 1.5 * 2^23 rounds to an integer, the low bits
  const Lanes<Vector> shifted = x * scale + (kRound - whole), rounded = shifted - (kRound - whole);
  const Lanes<Vector> r =
      Lanes<Vector>::each([&](int i) { return fusedMinus(x.part[i], Vector{} + scale, rounded.part[i]); });
  Lanes<Vector> p = r * 0.00132764715f + 0.00967554139f;
  p = p * r + 0.0555071328f;
  p = p * r + 0.240221197f;
  p = p * r + 0.693146967f;
  p = p * r + 1.00000007f;
  return Lanes<Vector>::each([&](int i) {  // the integer joins the exponent
    const Bits bits = reinterpret_cast<Bits>(p.part[i]) + (reinterpret_cast<Bits>(shifted.part[i]) << 23);
    return shifted.part[i] < kRound - 126.0f ? Vector{} : reinterpret_cast<Vector>(bits);
  });
}

/// What `take` makes of all lanes, two at a time.
template <typename Vector, typename Take>
inline float reduced(const Lanes<Vector>& x, const Take& take) {
  using Quarter = float __attribute__((vector_size(4 * sizeof(float))));
  static_assert(kPanelCols == 16);
  float lanes[kPanelCols];
  x.store(lanes);
  Quarter quarters[4];
  std::memcpy(quarters, lanes, sizeof lanes);
  const Quarter one = take(take(quarters[0], quarters[1]), take(quarters[2], quarters[3]));
  std::memcpy(lanes, &one, sizeof one);
  return take(take(lanes[0], lanes[1]), take(lanes[2], lanes[3]));
}

template <typename Vector>
float largestOf(const float* row, int64_t n) {
  Lanes<Vector> top = Lanes<Vector>::load(row);
  for (int64_t j = kPanelCols; j < n; j += kPanelCols) {
    const Lanes<Vector> x = Lanes<Vector>::load(row + j);
    top = Lanes<Vector>::each([&](int i) { return x.part[i] > top.part[i] ? x.part[i] : top.part[i]; });
  }
  return reduced(top, [](const auto& a, const auto& b) { return a > b ? a : b; });
}

template <typename Vector>
void exponentials(float* sums, float* x, int64_t rows, int64_t n, float scale) {
  // The rows' largest first, since processors look ahead to the next row's meanwhile.
  for (int64_t i = 0; i < rows; ++i) sums[i] = largestOf<Vector>(x + i * n, n);
  for (int64_t i = 0; i < rows; ++i) {
    const float top = __builtin_rintf(scale * sums[i]);
    Lanes<Vector> sum{};
    for (float* at = x + i * n; at < x + (i + 1) * n; at += kPanelCols) {
      const Lanes<Vector> power = powersOf2(Lanes<Vector>::load(at), scale, top);
      power.store(at);
      sum = sum + power;
    }
    sums[i] = reduced(sum, [](const auto& a, const auto& b) { return a + b; });
  }
}

template <typename Vector>
inline Lanes<Vector> featuresOf(const Lanes<Vector>& x) {
  const Lanes<Vector> power = powersOf2(x, kLog2OfE, 0.0f), line = x + 1.0f;
  return Lanes<Vector>::each([&](int i) { return x.part[i] > 0.0f ? line.part[i] : power.part[i]; });
}

template <typename Vector>
void features(float* y, const float* x, int64_t stride, int64_t rows, int64_t n) {
  const int64_t whole = n / kPanelCols * kPanelCols, left = n - whole;
  constexpr int64_t kAhead = 8;  // rows that are asked for early, since they lie pages apart
  for (int64_t i = 0; i < rows; ++i, x += stride, y += n) {
    const float* const next = x + (i + kAhead < rows ? kAhead * stride : 0);
    for (int64_t j = 0; j < whole; j += kPanelCols) {
      __builtin_prefetch(next + j);
      featuresOf(Lanes<Vector>::load(x + j)).store(y + j);
    }
    if (left == 0) continue;
    float rest[kPanelCols] = {};
    std::memcpy(rest, x + whole, static_cast<size_t>(left) * sizeof(float));
    featuresOf(Lanes<Vector>::load(rest)).store(rest);
    std::memcpy(y + whole, rest, static_cast<size_t>(left) * sizeof(float));
  }
}

}  // namespace
}  // namespace dinomaly
