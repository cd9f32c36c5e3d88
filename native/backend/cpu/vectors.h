// Vectors of floats, also for the files that are compiled once for each set of vector instructions. Nothing here may be
// shared between such files: a function of one that the linker took for the other's would use instructions that are not
// there.
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

namespace dinomaly {
namespace {

/// The whole numbers in the place of a vector's floats.
template <size_t kBytes>
struct BitsOf;
template <>
struct BitsOf<32> {
  using Type = uint32_t __attribute__((vector_size(32)));
};
template <>
struct BitsOf<64> {
  using Type = uint32_t __attribute__((vector_size(64)));
};

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

/// a * b - c, rounded once however this is compiled: a product near c must not lose what is left of it.
template <typename Vector>
inline Vector fusedMinus(const Vector& a, const Vector& b, const Vector& c) {
  if constexpr (sizeof(Vector) == sizeof(__m512)) {
    return _mm512_fmsub_ps(a, b, c);
  } else {
    return _mm256_fmsub_ps(a, b, c);
  }
}

/// The smaller of each lane's two; the second of two that do not compare.
template <typename Vector>
inline Vector smaller(const Vector& a, const Vector& b) {
  if constexpr (sizeof(Vector) == sizeof(__m512)) {
    return _mm512_maskz_min_ps(0xffff, a, b);  // of all lanes; for _mm512_min_ps() GCC 12 warns
  } else {
    return _mm256_min_ps(a, b);
  }
}

}  // namespace
}  // namespace dinomaly
