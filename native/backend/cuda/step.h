// What a training step takes and tells, in device memory: kernels read and write it there, so that a recorded step can
// be repeated without the host.
#pragma once

#include <cstddef>

#include "backend/cuda/memory.h"
#include "backend/step.h"

namespace dinomaly::cuda {

struct Step {
  StepNumbers numbers;  // uploaded before each step
  StepOutcome outcome;
};

/// Sets the loss and the norm to zero; what has failed before stays.
inline void beginStep(Stream stream, Step* step) {
  constexpr size_t kOfThisStep = offsetof(StepOutcome, failed);
  static_assert(offsetof(StepOutcome, loss) == 0 && offsetof(StepOutcome, gradientNorm) < kOfThisStep);
  fillWithZero(stream, &step->outcome, kOfThisStep);
}

}  // namespace dinomaly::cuda
