// What the tests of CUDA kernels on the emulated device share.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <vector>

#include "backend/cuda/launch.h"

namespace dinomaly::cuda {

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

/// As the kernels' element type, and back.
template <typename T>
std::vector<T> as(const std::vector<float>& values) {
  std::vector<T> converted;
  for (float v : values) converted.push_back(fromFloat<T>(v));
  return converted;
}
template <typename T>
std::vector<float> floats(const std::vector<T>& values) {
  std::vector<float> converted;
  for (T v : values) converted.push_back(toFloat(v));
  return converted;
}

/// The largest difference, relative to the largest expected value; infinite for what is not finite.
inline float difference(const std::vector<float>& found, const std::vector<float>& expected) {
  REQUIRE(found.size() == expected.size());
  float largest = 1e-30f, difference = 0;
  for (size_t i = 0; i < found.size(); ++i) {
    if (!std::isfinite(found[i])) return INFINITY;
    largest = std::max(largest, std::abs(expected[i]));
    difference = std::max(difference, std::abs(found[i] - expected[i]));
  }
  return difference / largest;
}

/// What `compute` gives, after looking that it gives the same bits in whatever order threads and blocks run: a race or
/// a missing barrier would not.
template <typename T>
std::vector<T> inEveryOrder(const std::function<std::vector<T>()>& compute) {
  const std::vector<T> found = compute();
  for (const emulated::Order order : {emulated::Order::backward, emulated::Order::shuffled}) {
    emulated::setOrder(order);
    const std::vector<T> again = compute();
    emulated::setOrder(emulated::Order::forward);
    REQUIRE(again.size() == found.size());
    CHECK((found.empty() || std::memcmp(found.data(), again.data(), found.size() * sizeof(T)) == 0));
  }
  return found;
}

}  // namespace dinomaly::cuda
