// Philox 4x32-10, a counter-based generator (Salmon et al., SC'11): the same numbers on every device, in any order.
#pragma once

#include <array>
#include <cstdint>

namespace dinomaly {

using Philox4 = std::array<uint32_t, 4>;

/// Four random words for one counter under one key. Pure: no state, so any element can be drawn alone.
inline Philox4 philox(Philox4 counter, uint32_t key0, uint32_t key1) {
  for (int round = 0; round < 10; ++round) {
    const uint64_t a = 0xD2511F53ull * counter[0], b = 0xCD9E8D57ull * counter[2];
    counter = {static_cast<uint32_t>(b >> 32) ^ counter[1] ^ key0, static_cast<uint32_t>(b),
               static_cast<uint32_t>(a >> 32) ^ counter[3] ^ key1, static_cast<uint32_t>(a)};
    key0 += 0x9E3779B9u;
    key1 += 0xBB67AE85u;
  }
  return counter;
}

/// A word as a float in [0, 1), from its upper 24 bits.
inline float uniform(uint32_t word) {
  return static_cast<float>(word >> 8) * (1.0f / 16777216.0f);
}

}  // namespace dinomaly
