// What a training step takes and tells, beside tensors.
#pragma once

#include <cstdint>

namespace dinomaly {

/// What changes from one training step to the next. It lies with the device, so that a recorded step can be repeated.
struct StepNumbers {
  uint64_t seed = 0;       // of the training run
  uint32_t iteration = 0;  // Philox counter word 2
  int64_t hardest = 1;     // looseLoss: how many of a batch's patches count in full
  // Of the optimiser.
  double learningRate = 0, beta1 = 0.9, beta2 = 0.999, eps = 1e-10, weightDecay = 1e-4;
  double clipNorm = 0.1;
  int64_t t = 1;  // steps, counted from 1, this one included
};

struct StepOutcome {
  double loss = 0, gradientNorm = 0;  // of the last step
  int64_t failed = -1;                // iteration of the first step whose loss or gradient was not finite; -1: none
};

}  // namespace dinomaly
