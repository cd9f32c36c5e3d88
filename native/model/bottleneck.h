// The noisy bottleneck (paper, 3.2): an MLP whose input, hidden layer and output are dropped at one rate in training.
#pragma once

#include <cstdint>

#include "model/block.h"

namespace dinomaly {

/// What keys dropout's random numbers.
struct Noise {
  uint64_t seed = 0;
  int64_t iteration = 0;
};

class Bottleneck {
 public:
  Bottleneck(Parameters& parameters, float rate);

  struct Tape {
    Buffer x, hidden, act;  // x and act as they went into fc1 and fc2
    Noise noise;
  };

  /// x (T, D) -> (T, D), without noise.
  Buffer forward(Backend& backend, const Buffer& x, int64_t rows) const;
  /// The same with noise, kept on the tape.
  Buffer train(Backend& backend, const Buffer& x, int64_t rows, const Noise& noise, Tape& tape) const;
  /// Writes the weights' gradients; dy (T, D) is spent. The encoder is frozen, so there is no gradient of x.
  void backward(Backend& backend, const Buffer& dy, int64_t rows, const Tape& tape) const;

 private:
  Dropout dropout(const Noise& noise, uint32_t place) const;

  Linear fc1_, fc2_;
  float rate_;
};

}  // namespace dinomaly
