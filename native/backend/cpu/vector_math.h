// The normal distribution's functions, written so that the compiler turns loops over them into vectors.
#pragma once

namespace dinomaly {

/// x * distribution(x) from x, its magnitude, and that magnitude or kGeluLimit: numbers, or vectors of them. The normal
/// distribution is 1/2 + x P(x^2) / Q(x^2) within 2e-8, and constant from the limit on.
constexpr float kGeluLimit = 5.5f;
template <typename Number>
inline Number geluFrom(const Number& x, const Number& magnitude, const Number& m) {
  const Number t = m * m;
  Number p = t * 2.2749341e-8f + 6.35213032e-6f;
  p = p * t + 0.000168826905f;
  p = p * t + 0.00467726817f;
  p = p * t + 0.0338527631f;
  p = p * t + 0.398942235f;
  Number q = t * 1.19750414e-6f + 7.36479178e-5f;
  q = q * t + 0.00188445178f;
  q = q * t + 0.0286459393f;
  q = q * t + 0.251522212f;
  q = q * t + 1.0f;
  return x * 0.5f + magnitude * (m * p / q);
}

/// Written so that no branch depends on the sign, for which a compiler would compute both sides.
inline float geluOf(float x) {
  const float magnitude = __builtin_fabsf(x);
  return geluFrom(x, magnitude, magnitude < kGeluLimit ? magnitude : kGeluLimit);
}

/// Its derivative, 1/2 + x P(x^2) / Q(x^2) within 4e-9, and constant from the limit on.
inline float geluSlope(float x) {
  constexpr float kLimit = 6.0f;
  const float magnitude = __builtin_fabsf(x), m = __builtin_copysignf(magnitude > kLimit ? kLimit : magnitude, x);
  const float t = m * m;
  float p = t * 1.70464229e-8f + 9.22535662e-7f;
  p = p * t + 3.40919032e-5f;
  p = p * t + 0.000202733267f;
  p = p * t + 0.0138573358f;
  p = p * t - 0.0223711468f;
  p = p * t + 0.797884524f;
  float q = t * 1.31477274e-9f + 3.3898047e-7f;
  q = q * t + 1.03077573e-5f;
  q = q * t + 0.000245324656f;
  q = q * t + 0.00397151383f;
  q = q * t + 0.0441336334f;
  q = q * t + 0.305294901f;
  q = q * t + 1.0f;
  return 0.5f + m * p / q;
}

}  // namespace dinomaly
