// Philox 4x32-10, a counter-based generator (Salmon et al., SC'11): the same numbers on every device, in any order.
#pragma once

#include <array>
#include <cstdint>

#if defined(__CUDACC__)
#define DINOMALY_ANYWHERE __host__ __device__
#else
#define DINOMALY_ANYWHERE
#endif

namespace dinomaly {

using Philox4 = std::array<uint32_t, 4>;

constexpr int kPhiloxRounds = 10;
constexpr uint32_t kPhiloxKeyStep0 = 0x9E3779B9u, kPhiloxKeyStep1 = 0xBB67AE85u;  // added to the key after each round
constexpr uint32_t kPhiloxFactor0 = 0xD2511F53u, kPhiloxFactor2 = 0xCD9E8D57u;    // of words 0 and 2

/// One round on the four words of a counter.
DINOMALY_ANYWHERE inline void philoxRound(uint32_t& x0, uint32_t& x1, uint32_t& x2, uint32_t& x3, uint32_t key0,
                                          uint32_t key1) {
  const uint64_t a = uint64_t{kPhiloxFactor0} * x0, b = uint64_t{kPhiloxFactor2} * x2;
  x0 = static_cast<uint32_t>(b >> 32) ^ x1 ^ key0;
  x1 = static_cast<uint32_t>(b);
  x2 = static_cast<uint32_t>(a >> 32) ^ x3 ^ key1;
  x3 = static_cast<uint32_t>(a);
}

/// Four random words for one counter under one key. Pure: no state, so any element can be drawn alone.
inline Philox4 philox(Philox4 counter, uint32_t key0, uint32_t key1) {
  for (int round = 0; round < kPhiloxRounds; ++round, key0 += kPhiloxKeyStep0, key1 += kPhiloxKeyStep1) {
    philoxRound(counter[0], counter[1], counter[2], counter[3], key0, key1);
  }
  return counter;
}

constexpr float kUniformSteps = 16777216.0f;  // of uniform(), from 0 to 1
/// A word as a float in [0, 1), from its upper 24 bits.
DINOMALY_ANYWHERE inline float uniform(uint32_t word) {
  return static_cast<float>(word >> 8) * (1.0f / kUniformSteps);
}

}  // namespace dinomaly
