// A pre-norm transformer block, used by encoder (softmax attention, LayerScale) and decoder (linear attention).
#pragma once

#include <string>

#include "backend/backend.h"
#include "core/cancel.h"
#include "model/parameters.h"

namespace dinomaly {

/// Rows of a batch: `images` pictures of `tokens` tokens each.
struct Shape {
  int64_t images, tokens;
  int64_t rows() const { return images * tokens; }
};

struct Linear {
  Parameter *weight, *bias;
  bool bearsRounding = true;  // to bytes, where the epilogue allows it
  Linear(Parameters& parameters, const std::string& name);
  int64_t in() const { return weight->info.shape[1]; }
  int64_t out() const { return weight->info.shape[0]; }

  void forward(Backend& backend, Element* y, const Element* x, int64_t rows, Epilogue epilogue = {}) const;
  /// y = gelu(the layer of x), in training. hidden: what GELU got, kept for the backward pass unless the backend
  /// computes it again; then y is linear()'s, which on a GPU in bf16 has GELU's tanh form, and the gradient the exact
  /// one's.
  void forwardThroughGelu(Backend& backend, Element* y, const Element* x, int64_t rows, Activations& hidden) const;
  /// The same hidden layer, kept or computed again.
  Activations hiddenAgain(Backend& backend, const Element* x, int64_t rows, const Activations& hidden) const;
  /// Back through the GELU behind the layer: hidden becomes GELU of it, which the next layer got, and dact the gradient
  /// of what hidden was. Writes the gradient of bias.
  void geluBackward(Backend& backend, Element* hidden, Element* dact, int64_t rows) const;
  /// Writes the gradients of weight and bias; the latter not where geluBackward() has written it (ofBias false).
  void weightGradient(Backend& backend, const Element* dy, const Element* x, int64_t rows, bool ofBias = true) const;
  void inputGradient(Backend& backend, Element* dx, const Element* dy, int64_t rows) const;
};

struct Norm {
  Parameter *weight, *bias;
  Norm(Parameters& parameters, const std::string& name);
};

enum class Mixer { softmaxAttention, linearAttention };

class Block {
 public:
  Block(Parameters& parameters, const std::string& name, Mixer mixer, int64_t heads, float eps, bool layerScale);

  /// What the backward pass needs of the forward pass and cannot cheaply compute again; letters as in block.cpp.
  struct Tape {
    Activations x, qkv, x1;
    Activations mixed, hidden;  // null where the backend computes them again
    Buffer mean1, rstd1, mean2, rstd2;
  };

  /// Where fc1 does not bear int8.
  void keepFc1Exact() { fc1_.bearsRounding = false; }
  /// Its input, output and what lies between the two halves are wide from now on; without a tape.
  void widen() { wide_ = true; }

  /// x (T,D) -> (T,D); x is left as it is. tape null: nothing is kept.
  Activations forward(Backend& backend, const Activations& x, Shape shape, Tape* tape, const CancelToken& cancel) const;
  /// dx (T,D) comes in as the gradient of the output and leaves as that of the input. The tape's hidden is changed.
  void backward(Backend& backend, const Activations& dx, Shape shape, const Tape& tape,
                const CancelToken& cancel) const;

 private:
  int64_t dim() const { return proj_.out(); }
  void normalise(Backend& backend, const Norm& norm, Element* y, float* mean, float* rstd, const Element* x,
                 int64_t rows) const;

  Norm norm1_, norm2_;
  Linear qkv_, proj_, fc1_, fc2_;
  Parameter *scale1_ = nullptr, *scale2_ = nullptr;
  Mixer mixer_;
  int64_t heads_;
  float eps_;
  bool wide_ = false;
};

}  // namespace dinomaly
