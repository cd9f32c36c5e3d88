#include "model/bottleneck.h"

namespace dinomaly {

Bottleneck::Bottleneck(Parameters& parameters, float rate)
    : fc1_(parameters, "bottleneck.0.fc1"), fc2_(parameters, "bottleneck.0.fc2"), rate_(rate) {}

Dropout Bottleneck::dropout(const Noise& noise, uint32_t place) const {
  return {rate_, noise.seed, static_cast<uint32_t>(noise.iteration), place};
}

Buffer Bottleneck::forward(Backend& backend, const Buffer& x, int64_t rows) const {
  const Buffer act = backend.allocate(rows * fc1_.out());
  fc1_.forward(backend, act.get(), x.get(), rows, {nullptr, Activation::gelu, nullptr, nullptr});
  Buffer y = backend.allocate(rows * fc2_.out());
  fc2_.forward(backend, y.get(), act.get(), rows);
  return y;
}

Buffer Bottleneck::train(Backend& backend, const Buffer& x, int64_t rows, const Noise& noise, Tape& tape) const {
  const int64_t dim = fc1_.in(), wide = fc1_.out();
  tape.noise = noise;
  tape.x = backend.allocate(rows * dim);
  tape.hidden = backend.allocate(rows * wide);
  tape.act = backend.allocate(rows * wide);
  Buffer y = backend.allocate(rows * dim);
  backend.dropout(tape.x.get(), x.get(), rows, dim, dropout(noise, 0));
  fc1_.forward(backend, tape.hidden.get(), tape.x.get(), rows);
  backend.gelu(tape.act.get(), tape.hidden.get(), rows * wide);
  backend.dropout(tape.act.get(), tape.act.get(), rows, wide, dropout(noise, 1));
  fc2_.forward(backend, y.get(), tape.act.get(), rows);
  backend.dropout(y.get(), y.get(), rows, dim, dropout(noise, 2));
  return y;
}

void Bottleneck::backward(Backend& backend, const Buffer& dy, int64_t rows, const Tape& tape) const {
  const int64_t dim = fc1_.in(), wide = fc1_.out();
  const Buffer dact = backend.allocate(rows * wide);
  backend.dropout(dy.get(), dy.get(), rows, dim, dropout(tape.noise, 2));
  fc2_.weightGradient(backend, dy.get(), tape.act.get(), rows);
  fc2_.inputGradient(backend, dact.get(), dy.get(), rows);
  backend.dropout(dact.get(), dact.get(), rows, wide, dropout(tape.noise, 1));
  backend.geluGradient(dact.get(), dact.get(), tape.hidden.get(), rows * wide);
  fc1_.weightGradient(backend, dact.get(), tape.x.get(), rows);
}

}  // namespace dinomaly
