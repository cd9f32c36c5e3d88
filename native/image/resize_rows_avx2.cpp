// Bytes times weights of 22 bits, with multiplications of 16 bits, which are four times as many an instruction as those
// of 32: a weight is split in two, and the sums of its halves are joined at the end. Modulo 2^32 nothing is lost.
//
// Compiled for AVX2 function by function: no other code of this floor may need it, not even an inlined one of the
// standard library that the linker might share.
#include <cstring>

#include "image/resize_rows.h"

#if defined(__x86_64__)

#include <immintrin.h>

namespace dinomaly {
namespace {

constexpr int kLowBits = kWeightBits / 2;
constexpr int kLowMask = (1 << kLowBits) - 1;

/// Two weights for each two bytes: their low and their high halves.
struct WeightPairs {
  __m256i low, high;
};

struct Sums {
  __m256i low, high;
};

[[gnu::target("avx2")]] inline void add(Sums& sums, __m256i bytePairs, const WeightPairs& weights) {
  sums.low = _mm256_add_epi32(sums.low, _mm256_madd_epi16(bytePairs, weights.low));
  sums.high = _mm256_add_epi32(sums.high, _mm256_madd_epi16(bytePairs, weights.high));
}

[[gnu::target("avx2")]] inline __m256i joined(const Sums& sums) {
  return _mm256_add_epi32(sums.low, _mm256_slli_epi32(sums.high, kLowBits));
}

/// Four weights: the first two for the lower half of a register, the other two for the upper.
[[gnu::target("avx2")]] inline WeightPairs loadFour(const uint32_t* weights) {
  const __m128i whole = _mm_loadu_si128(reinterpret_cast<const __m128i*>(weights));
  const __m128i low = _mm_and_si128(whole, _mm_set1_epi32(kLowMask)), high = _mm_srli_epi32(whole, kLowBits);
  const __m256i halves = _mm256_broadcastsi128_si256(_mm_packs_epi32(low, high));
  return {_mm256_permutevar8x32_epi32(halves, _mm256_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1)),
          _mm256_permutevar8x32_epi32(halves, _mm256_setr_epi32(2, 2, 2, 2, 3, 3, 3, 3))};
}

/// Four RGB pixels as pairs of 16 bits: r0 r1, g0 g1, b0 b1, 0 0 and the same of pixels 2 and 3.
[[gnu::target("avx2")]] inline __m256i loadPixels(const uint8_t* pixels) {
  const __m256i spread = _mm256_setr_epi8(0, -1, 3, -1, 1, -1, 4, -1, 2, -1, 5, -1, -1, -1, -1, -1,  //
                                          6, -1, 9, -1, 7, -1, 10, -1, 8, -1, 11, -1, -1, -1, -1, -1);
  const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(pixels));
  return _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(bytes), spread);
}

/// r, g, b and a 0 of one output pixel.
[[gnu::target("avx2")]] inline __m128i outputPixel(const Sums& sums) {
  const __m256i both = joined(sums);
  const __m128i sum = _mm_add_epi32(_mm256_castsi256_si128(both), _mm256_extracti128_si256(both, 1));
  return _mm_srli_epi32(_mm_add_epi32(sum, _mm_set1_epi32(kHalfWeight)), kWeightBits);
}

/// 16 bytes of two rows as pairs of 16 bits: those of columns 0 to 3 and 8 to 11, then the others.
struct ColumnPairs {
  __m256i first, second;
};

[[gnu::target("avx2")]] inline ColumnPairs loadColumns(const uint8_t* above, const uint8_t* below) {
  const __m256i a = _mm256_cvtepu8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(above)));
  const __m256i b = _mm256_cvtepu8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(below)));
  return {_mm256_unpacklo_epi16(a, b), _mm256_unpackhi_epi16(a, b)};
}

[[gnu::target("avx2")]] inline WeightPairs pairOf(uint32_t first, uint32_t second) {
  const uint32_t low = (first & kLowMask) | (second & kLowMask) << 16;
  const uint32_t high = first >> kLowBits | second >> kLowBits << 16;
  return {_mm256_set1_epi32(static_cast<int>(low)), _mm256_set1_epi32(static_cast<int>(high))};
}

[[gnu::target("avx2")]] inline __m128i outputColumns(const Sums& first, const Sums& second) {
  const __m256i half = _mm256_set1_epi32(kHalfWeight);
  const __m256i a = _mm256_srli_epi32(_mm256_add_epi32(joined(first), half), kWeightBits);
  const __m256i b = _mm256_srli_epi32(_mm256_add_epi32(joined(second), half), kWeightBits);
  const __m256i words = _mm256_packus_epi32(a, b);
  return _mm_packus_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
}

[[gnu::target("avx2")]] void resizeFour(uint8_t* to, int64_t toStride, const uint8_t* from, int64_t fromStride,
                                        const ResizeFilter& filter) {
  const uint32_t* weights = filter.weights.data();
  for (const auto& window : filter.windows) {
    Sums sums[FastRows::kRows] = {};
    const uint8_t* pixels = from + window.first * 3;
    for (int64_t i = 0; i < window.count; i += 4, pixels += 4 * 3) {
      const WeightPairs four = loadFour(weights + i);
      for (int64_t row = 0; row < FastRows::kRows; ++row) add(sums[row], loadPixels(pixels + row * fromStride), four);
    }
    const __m128i upper = _mm_packus_epi32(outputPixel(sums[0]), outputPixel(sums[1]));
    const __m128i lower = _mm_packus_epi32(outputPixel(sums[2]), outputPixel(sums[3]));
    uint8_t bytes[4 * FastRows::kRows];
    _mm_storeu_si128(reinterpret_cast<__m128i*>(bytes), _mm_packus_epi16(upper, lower));
    for (int64_t row = 0; row < FastRows::kRows; ++row) std::memcpy(to + row * toStride, bytes + 4 * row, 4);
    to += 3;
    weights += filter.stride;
  }
}

[[gnu::target("avx2")]] void blendColumns(uint8_t* to, const uint8_t* const* rows, const uint32_t* weights,
                                          int64_t count, int64_t size) {
  constexpr int64_t kColumns = 16;
  for (int64_t x = 0; x < size; x += kColumns) {
    Sums first = {}, second = {};
    for (int64_t i = 0; i < count; i += 2) {
      const bool last = i + 1 == count;
      const WeightPairs pair = pairOf(weights[i], last ? 0 : weights[i + 1]);
      const ColumnPairs columns = loadColumns(rows[i] + x, rows[last ? i : i + 1] + x);
      add(first, columns.first, pair);
      add(second, columns.second, pair);
    }
    uint8_t bytes[kColumns];
    _mm_storeu_si128(reinterpret_cast<__m128i*>(bytes), outputColumns(first, second));
    std::memcpy(to + x, bytes, static_cast<size_t>(size - x < kColumns ? size - x : kColumns));
  }
}

}  // namespace

const FastRows* fastRows() {
  static const FastRows avx2 = {resizeFour, blendColumns};
  return __builtin_cpu_supports("avx2") ? &avx2 : nullptr;
}

}  // namespace dinomaly

#else

namespace dinomaly {

const FastRows* fastRows() {
  return nullptr;
}

}  // namespace dinomaly

#endif
