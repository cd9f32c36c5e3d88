// The numbers of a row's dropout, eight counters side by side.
#pragma once

#include <immintrin.h>

#include <cstdint>

#include "backend/float_backend.h"
#include "core/philox.h"

namespace dinomaly {
namespace {

/// philox() of counters {0, row, iteration, place}, {1, row, iteration, place} and so on.
class PhiloxLanes {
 public:
  static constexpr int64_t kWords = 32;  // that next() draws

  PhiloxLanes(uint32_t row, const FloatDropout& d)
      : seed0_(static_cast<uint32_t>(d.seed)), seed1_(static_cast<uint32_t>(d.seed >> 32)) {
    // Four lanes in the order in which storeFour() reads them.
    four_ = {_mm256_setr_epi64x(0, 2, 1, 3), _mm256_set1_epi64x(row), _mm256_set1_epi64x(d.iteration),
             _mm256_set1_epi64x(d.place)};
  }

  /// The upper 24 bits of each of the next words, in their order.
  void next(int32_t* to) {
    Four low = four_, high = four_;
    high.x0 = _mm256_add_epi64(low.x0, _mm256_set1_epi64x(4));
    four_.x0 = _mm256_add_epi64(low.x0, _mm256_set1_epi64x(8));
    uint32_t key0 = seed0_, key1 = seed1_;
    for (int i = 0; i < kPhiloxRounds; ++i, key0 += kPhiloxKeyStep0, key1 += kPhiloxKeyStep1) {
      low = round(low, key0, key1);
      high = round(high, key0, key1);
    }
    storeFour(to, low);
    storeFour(to + kWords / 2, high);
  }

 private:
  /// Four counters: each word in the lower half of 64 bits, above which is anything.
  struct Four {
    __m256i x0, x1, x2, x3;
  };

  /// philoxRound().
  static Four round(const Four& x, uint32_t key0, uint32_t key1) {
    const __m256i a = _mm256_mul_epu32(x.x0, _mm256_set1_epi64x(kPhiloxFactor0));
    const __m256i b = _mm256_mul_epu32(x.x2, _mm256_set1_epi64x(kPhiloxFactor2));
    const __m256i x0 = _mm256_xor_si256(_mm256_srli_epi64(b, 32), x.x1);
    const __m256i x2 = _mm256_xor_si256(_mm256_srli_epi64(a, 32), x.x3);
    return {_mm256_xor_si256(x0, _mm256_set1_epi64x(key0)), b, _mm256_xor_si256(x2, _mm256_set1_epi64x(key1)), a};
  }

  /// Two words of each counter, one beside the other.
  static __m256i joined(__m256i first, __m256i second) {
    constexpr int kOdd = 0xAA;
    return _mm256_blend_epi32(first, _mm256_slli_epi64(second, 32), kOdd);
  }

  static void storeFour(int32_t* to, const Four& x) {
    const __m256i front = joined(x.x0, x.x1), back = joined(x.x2, x.x3);
    store(to, _mm256_unpacklo_epi64(front, back));
    store(to + 8, _mm256_unpackhi_epi64(front, back));
  }

  static void store(int32_t* to, __m256i words) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), _mm256_srli_epi32(words, 8));
  }

  uint32_t seed0_, seed1_;
  Four four_;  // the next ones
};

}  // namespace
}  // namespace dinomaly
