// Products of bytes, summed in 32 bits. The package uses oneDNN for nothing else.
#pragma once

#include <cstdint>

namespace dinomaly {

/// The largest numbers that both sides may hold: unsigned on the left, of either sign on the right.
struct ByteLevels {
  int32_t left, right;
};

/// What the library's kernel for this processor sums without saturating. With VNNI or AMX it is all of 8 bits. AVX2's
/// vpmaddubsw adds two products in 16 bits, so that 2 * left * right must stay below 2^15: both sides then get about as
/// many steps.
ByteLevels byteLevels();

/// So many products at most are summed in 32 bits.
constexpr int64_t kMostBytes = (int64_t{1} << 31) / (255 * 127) - 1;

/// The right side (k,n), n at most kByteColumns, in the library's own order.
constexpr int64_t kByteColumns = 384;
int64_t packedBytes(int64_t k, int64_t n);
/// From its columns: n rows of k numbers.
void packBytes(int8_t* packed, const int8_t* columns, int64_t k, int64_t n);

/// sums (m,n) = left (m,k) right (k,n), on the calling thread alone. The library's objects and work space are kept for
/// the thread's next product of these sizes.
void multiplyBytes(int32_t* sums, const uint8_t* left, const int8_t* packed, int64_t m, int64_t n, int64_t k);

}  // namespace dinomaly
