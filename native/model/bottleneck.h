// The noisy bottleneck (paper, 3.2): an MLP whose input, hidden layer and output are dropped at one rate in training.
#pragma once

#include "model/block.h"

namespace dinomaly {

class Bottleneck {
 public:
  Bottleneck(Parameters& parameters, float rate);

  struct Tape {
    Activations x, hidden;  // x as it went into fc1, hidden as it came out, if that is kept
  };

  /// x (T, D) -> (T, D), without noise.
  Activations forward(Backend& backend, const Activations& x, int64_t rows) const;
  /// The same with the step's noise, kept on the tape.
  Activations train(Backend& backend, const Activations& x, int64_t rows, Tape& tape) const;
  /// Writes the weights' gradients; dy (T, D) is spent, and the tape's hidden changed. The encoder is frozen, so there
  /// is no gradient of x.
  void backward(Backend& backend, const Activations& dy, int64_t rows, const Tape& tape) const;

 private:
  Linear fc1_, fc2_;
  float rate_;
};

}  // namespace dinomaly
