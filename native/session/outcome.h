// What a job came to.
#pragma once

#include <exception>
#include <functional>

namespace dinomaly {

/// The result of a job that has none but that it is done.
struct Nothing {};

/// A value, or why there is none: Error, Cancelled, std::bad_alloc or, from a bug, anything else.
template <typename T>
struct Outcome {
  T value{};
  std::exception_ptr error;
};

/// Takes a job's outcome. Called once, on the compute thread; must not throw.
template <typename T>
using Done = std::function<void(Outcome<T>)>;

}  // namespace dinomaly
