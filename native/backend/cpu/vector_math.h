// exp and the normal distribution's functions, written so that the compiler turns loops over them into vectors.
#pragma once

#include <cstdint>
#include <cstring>

namespace dinomaly {

/// e^x within 2 units in the last place; 0 below -87.3, finite above 88, NaN of NaN.
inline float vectorExp(float x) {
  const float clamped = x < -87.3f ? -87.3f : (x > 88.0f ? 88.0f : x);
  const float shifted = clamped * 1.44269504f + 12582912.0f;  // adding 1.5 * 2^23 rounds to an integer, the low bits
  const float n = shifted - 12582912.0f;
  const float r = (clamped - n * 0.693145752f) - n * 1.42860677e-6f;  // ln 2 in two parts
  float p = 1.0f / 5040;
  p = p * r + 1.0f / 720;
  p = p * r + 1.0f / 120;
  p = p * r + 1.0f / 24;
  p = p * r + 1.0f / 6;
  p = p * r + 0.5f;
  p = p * r + 1.0f;
  p = p * r + 1.0f;
  uint32_t bits;
  std::memcpy(&bits, &shifted, sizeof bits);
  bits = (bits + 127) << 23;  // 2^n; of a NaN anything, without a conversion that is undefined for it
  float power;
  std::memcpy(&power, &bits, sizeof power);
  return x < -87.3f ? 0.0f : p * power;
}

/// Both parts of GELU from one exponential: the normal distribution and its density at x. The distribution is
/// Abramowitz and Stegun 7.1.26, within 1.5e-7 / 2.
inline void normal(float x, float& distribution, float& density) {
  const float gauss = vectorExp(-0.5f * x * x);
  const float magnitude = x < 0 ? -x : x;
  const float t = 1.0f / (1.0f + 0.3275911f * 0.707106781f * magnitude);
  float p = 1.061405429f;
  p = p * t - 1.453152027f;
  p = p * t + 1.421413741f;
  p = p * t - 0.284496736f;
  p = p * t + 0.254829592f;
  const float tail = 0.5f * p * t * gauss;
  distribution = x < 0 ? tail : 1.0f - tail;
  density = 0.398942280f * gauss;
}

inline float geluOf(float x) {
  float distribution, density;
  normal(x, distribution, density);
  return x * distribution;
}

inline float geluSlope(float x) {
  float distribution, density;
  normal(x, distribution, density);
  return distribution + x * density;
}

}  // namespace dinomaly
