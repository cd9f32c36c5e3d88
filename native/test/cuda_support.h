// What the tests of CUDA kernels on the emulated device share.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <vector>

#include "backend/cuda/launch.h"
#include "noise.h"

namespace dinomaly::cuda {

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

/// `compute` on a copy of `values` that begins on no boundary of packs, which there is a way of its own for.
template <typename T, typename Compute>
std::vector<T> besideBoundary(const std::vector<T>& values, const Compute& compute) {
  std::vector<T> shifted(values.size() + 1);
  std::copy(values.begin(), values.end(), shifted.begin() + 1);
  compute(shifted.data() + 1);
  return {shifted.begin() + 1, shifted.end()};
}

template <typename T>
bool sameBits(const std::vector<T>& a, const std::vector<T>& b) {
  return a.size() == b.size() &&
         (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0);  // it takes no null
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
    CHECK(sameBits(found, again));
  }
  return found;
}

}  // namespace dinomaly::cuda
