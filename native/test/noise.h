// Numbers to compute with in tests.
#pragma once

#include <cstdint>
#include <vector>

namespace dinomaly {

/// Seeded values in [-1, 1), the same everywhere.
inline std::vector<float> noise(int64_t size, uint32_t seed) {
  std::vector<float> values(static_cast<size_t>(size));
  uint32_t state = seed * 2654435761u + 1;
  for (float& v : values) {
    state = state * 1664525u + 1013904223u;
    v = static_cast<float>(state >> 8) / 8388608.0f - 1.0f;
  }
  return values;
}

}  // namespace dinomaly
