// The two 16-bit floating-point formats, widened to f32. Exact for every value.
#pragma once

#include <cstdint>
#include <cstring>

namespace dinomaly {

inline float floatOfBits(uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, sizeof(value));
  return value;
}

/// bfloat16: the upper half of an f32.
inline float bfloat16ToFloat(uint16_t bits) {
  return floatOfBits(static_cast<uint32_t>(bits) << 16);
}

/// IEEE binary16: sign, 5 bits of exponent, 10 of fraction.
inline float float16ToFloat(uint16_t bits) {
  const uint32_t sign = static_cast<uint32_t>(bits & 0x8000u) << 16, exponent = (bits >> 10) & 31u;
  const uint32_t fraction = bits & 0x3FFu;
  if (exponent == 0) {  // zero and denormals: fraction * 2^-24, which f32 holds as a normal number
    const float value = static_cast<float>(fraction) * 0x1p-24f;
    return sign != 0 ? -value : value;
  }
  const uint32_t wide = exponent == 31 ? 255 : exponent + (127 - 15);  // infinities and NaN keep all bits set
  return floatOfBits(sign | wide << 23 | fraction << 13);
}

}  // namespace dinomaly
