// Gradient clipping and StableAdamW with AMSGrad over all trainable parameters (paper, 4.1).
#pragma once

#include "backend/backend.h"
#include "model/parameters.h"

namespace dinomaly {

/// Global L2 norm of all gradients, in double.
double gradientNorm(Backend& backend, const Parameters& parameters);

/// One step of every parameter that has a gradient. norm: from gradientNorm; t: steps done, this one included.
void optimizerStep(Backend& backend, Parameters& parameters, double norm, double clipNorm, double learningRate,
                   double weightDecay, int64_t t);

}  // namespace dinomaly
