#include "model/optimizer.h"

#include <algorithm>
#include <cmath>

namespace dinomaly {

double gradientNorm(Backend& backend, const Parameters& parameters) {
  double squares = 0;
  for (const Parameter& p : parameters.all()) {
    if (p.gradient) squares += backend.squaredNorm(p.gradient.get(), p.info.size());
  }
  return std::sqrt(squares);
}

void optimizerStep(Backend& backend, Parameters& parameters, double norm, double clipNorm, double learningRate,
                   double weightDecay, int64_t t) {
  OptimizerStep step{};
  step.learningRate = learningRate;
  step.weightDecay = weightDecay;
  step.gradientScale = std::min(1.0, clipNorm / (norm + 1e-6));  // torch's clip_grad_norm_
  step.t = t;
  for (Parameter& p : parameters.all()) {
    if (!p.gradient) continue;
    backend.stableAdamW(p.value.get(), p.moment.get(), p.secondMoment.get(), p.maxSecondMoment.get(), p.gradient.get(),
                        p.info.size(), step);
  }
}

}  // namespace dinomaly
