#include "model/bottleneck.h"

namespace dinomaly {

Bottleneck::Bottleneck(Parameters& parameters, float rate)
    : fc1_(parameters, "bottleneck.0.fc1"), fc2_(parameters, "bottleneck.0.fc2"), rate_(rate) {}

Activations Bottleneck::forward(Backend& backend, const Activations& x, int64_t rows) const {
  const Activations act = backend.allocateActivations(rows * fc1_.out());
  fc1_.forward(backend, act.get(), x.get(), rows, {nullptr, Activation::gelu, nullptr, nullptr, true});
  Activations y = backend.allocateActivations(rows * fc2_.out());
  fc2_.forward(backend, y.get(), act.get(), rows, {nullptr, Activation::none, nullptr, nullptr, true});
  return y;
}

Activations Bottleneck::train(Backend& backend, const Activations& x, int64_t rows, Tape& tape) const {
  const int64_t dim = fc1_.in(), wide = fc1_.out();
  tape.x = backend.allocateActivations(rows * dim);
  const Activations act = backend.allocateActivations(rows * wide);
  Activations y = backend.allocateActivations(rows * dim);
  backend.dropout(tape.x.get(), x.get(), rows, dim, {rate_, 0});
  fc1_.forwardThroughGelu(backend, act.get(), tape.x.get(), rows, tape.hidden);
  backend.dropout(act.get(), act.get(), rows, wide, {rate_, 1});
  fc2_.forward(backend, y.get(), act.get(), rows);
  backend.dropout(y.get(), y.get(), rows, dim, {rate_, 2});
  return y;
}

void Bottleneck::backward(Backend& backend, const Activations& dy, int64_t rows, const Tape& tape) const {
  const int64_t dim = fc1_.in(), wide = fc1_.out();
  const Activations dact = backend.allocateActivations(rows * wide), &dhidden = dact;
  backend.dropout(dy.get(), dy.get(), rows, dim, {rate_, 2});
  const Activations hidden = fc1_.hiddenAgain(backend, tape.x.get(), rows, tape.hidden), &act = hidden;
  fc2_.inputGradient(backend, dact.get(), dy.get(), rows);
  backend.dropout(dact.get(), dact.get(), rows, wide, {rate_, 1});
  fc1_.geluBackward(backend, hidden.get(), dact.get(), rows);
  backend.dropout(act.get(), act.get(), rows, wide, {rate_, 1});
  fc2_.weightGradient(backend, dy.get(), act.get(), rows);
  fc1_.weightGradient(backend, dhidden.get(), tape.x.get(), rows, false);
}

}  // namespace dinomaly
