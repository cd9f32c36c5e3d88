#include "model/block.h"

namespace dinomaly {

Linear::Linear(Parameters& parameters, const std::string& name)
    : weight(&parameters.at(name + ".weight")), bias(&parameters.at(name + ".bias")) {}

void Linear::forward(Backend& backend, Element* y, const Element* x, int64_t rows, Epilogue epilogue) const {
  epilogue.bias = bias->value.get();
  epilogue.mayRound = epilogue.mayRound && bearsRounding;
  backend.linear(y, x, weight->value.get(), rows, in(), out(), epilogue);
}

void Linear::forwardThroughGelu(Backend& backend, Element* y, const Element* x, int64_t rows,
                                Activations& hidden) const {
  if (backend.recomputes()) return forward(backend, y, x, rows, {nullptr, Activation::gelu, nullptr, nullptr});
  hidden = backend.allocateActivations(rows * out());
  forward(backend, hidden.get(), x, rows);
  backend.gelu(y, hidden.get(), rows * out());
}

Activations Linear::hiddenAgain(Backend& backend, const Element* x, int64_t rows, const Activations& hidden) const {
  if (hidden) return hidden;
  Activations again = backend.allocateActivations(rows * out());
  forward(backend, again.get(), x, rows);
  return again;
}

void Linear::geluBackward(Backend& backend, Element* hidden, Element* dact, int64_t rows) const {
  backend.geluBackward(hidden, dact, bias->gradient.get(), rows, out());
}

void Linear::weightGradient(Backend& backend, const Element* dy, const Element* x, int64_t rows, bool ofBias) const {
  float* const db = ofBias ? bias->gradient.get() : nullptr;
  backend.linearWeightGradient(weight->gradient.get(), db, dy, x, rows, in(), out());
}

void Linear::inputGradient(Backend& backend, Element* dx, const Element* dy, int64_t rows) const {
  backend.linearInputGradient(dx, dy, weight->value.get(), rows, in(), out());
}

Norm::Norm(Parameters& parameters, const std::string& name)
    : weight(&parameters.at(name + ".weight")), bias(&parameters.at(name + ".bias")) {}

Block::Block(Parameters& parameters, const std::string& name, Mixer mixer, int64_t heads, float eps, bool layerScale)
    : norm1_(parameters, name + ".norm1"),
      norm2_(parameters, name + ".norm2"),
      qkv_(parameters, name + ".attn.qkv"),
      proj_(parameters, name + ".attn.proj"),
      fc1_(parameters, name + ".mlp.fc1"),
      fc2_(parameters, name + ".mlp.fc2"),
      mixer_(mixer),
      heads_(heads),
      eps_(eps) {
  if (layerScale) {
    scale1_ = &parameters.at(name + ".ls1.gamma");
    scale2_ = &parameters.at(name + ".ls2.gamma");
  }
}

void Block::normalise(Backend& backend, const Norm& norm, Element* y, float* mean, float* rstd, const Element* x,
                      int64_t rows) const {
  backend.layerNorm(y, mean, rstd, x, norm.weight->value.get(), norm.bias->value.get(), rows, dim(), eps_, wide_);
}

// n1 = norm1(x), qkv = n1 Wqkv, mixed = attention(qkv), x1 = x + ls1 * mixed Wproj,
// n2 = norm2(x1), hidden = n2 W1, act = gelu(hidden), y = x1 + ls2 * act W2
Activations Block::forward(Backend& backend, const Activations& x, Shape shape, Tape* tape,
                           const CancelToken& cancel) const {
  const int64_t rows = shape.rows(), d = dim();
  const bool mayRound = !tape;
  const auto scaleOf = [](const Parameter* p) { return p ? p->value.get() : nullptr; };
  Tape t;
  if (tape) {
    for (Buffer* b : {&t.mean1, &t.rstd1, &t.mean2, &t.rstd2}) *b = backend.allocate(rows);
  }
  t.x = x;
  const Activations n = backend.allocateActivations(rows * d);
  normalise(backend, norm1_, n.get(), t.mean1.get(), t.rstd1.get(), x.get(), rows);
  t.qkv = backend.allocateActivations(rows * 3 * d);
  qkv_.forward(backend, t.qkv.get(), n.get(), rows, {nullptr, Activation::none, nullptr, nullptr, mayRound});
  cancel.check();
  const bool keeps = tape && !backend.recomputes();
  const Activations mixed = keeps ? backend.allocateActivations(rows * d) : n;  // what is not kept serves twice
  const auto mix = mixer_ == Mixer::softmaxAttention ? &Backend::softmaxAttention : &Backend::linearAttention;
  (backend.*mix)(mixed.get(), t.qkv.get(), shape.images, shape.tokens, heads_, d / heads_);
  if (keeps) t.mixed = mixed;
  cancel.check();
  t.x1 = backend.allocateActivations(rows * d, wide_);
  proj_.forward(backend, t.x1.get(), mixed.get(), rows,
                {nullptr, Activation::none, scaleOf(scale1_), x.get(), mayRound, wide_});
  normalise(backend, norm2_, n.get(), t.mean2.get(), t.rstd2.get(), t.x1.get(), rows);
  const Activations act = backend.allocateActivations(rows * 4 * d);
  if (tape) {
    fc1_.forwardThroughGelu(backend, act.get(), n.get(), rows, t.hidden);
  } else {
    fc1_.forward(backend, act.get(), n.get(), rows, {nullptr, Activation::gelu, nullptr, nullptr, mayRound});
  }
  cancel.check();
  const Activations y = tape ? backend.allocateActivations(rows * d) : t.x1;
  fc2_.forward(backend, y.get(), act.get(), rows,
               {nullptr, Activation::none, scaleOf(scale2_), t.x1.get(), mayRound, wide_});
  cancel.check();
  if (tape) *tape = std::move(t);
  return y;
}

void Block::backward(Backend& backend, const Activations& dx, Shape shape, const Tape& t,
                     const CancelToken& cancel) const {
  const int64_t rows = shape.rows(), d = dim();
  const Activations n = backend.allocateActivations(rows * d), dn = backend.allocateActivations(rows * d);
  {
    normalise(backend, norm2_, n.get(), nullptr, nullptr, t.x1.get(), rows);
    const Activations hidden = fc1_.hiddenAgain(backend, n.get(), rows, t.hidden);
    const Activations dact = backend.allocateActivations(rows * 4 * d), &act = hidden, &dhidden = dact;
    fc2_.inputGradient(backend, dact.get(), dx.get(), rows);
    fc1_.geluBackward(backend, hidden.get(), dact.get(), rows);
    fc2_.weightGradient(backend, dx.get(), act.get(), rows);
    cancel.check();
    fc1_.weightGradient(backend, dhidden.get(), n.get(), rows, false);
    cancel.check();
    fc1_.inputGradient(backend, dn.get(), dhidden.get(), rows);
  }
  backend.layerNormGradient(dx.get(), norm2_.weight->gradient.get(), norm2_.bias->gradient.get(), dn.get(), t.x1.get(),
                            t.mean2.get(), t.rstd2.get(), norm2_.weight->value.get(), rows, d);
  cancel.check();
  const Activations mixed = t.mixed ? t.mixed : n;
  if (!t.mixed) backend.linearAttention(mixed.get(), t.qkv.get(), shape.images, shape.tokens, heads_, d / heads_);
  proj_.weightGradient(backend, dx.get(), mixed.get(), rows);
  proj_.inputGradient(backend, dn.get(), dx.get(), rows);
  const Activations dqkv = backend.allocateActivations(rows * 3 * d);
  backend.linearAttentionGradient(dqkv.get(), dn.get(), t.qkv.get(), shape.images, shape.tokens, heads_, d / heads_);
  cancel.check();
  normalise(backend, norm1_, n.get(), nullptr, nullptr, t.x.get(), rows);
  qkv_.weightGradient(backend, dqkv.get(), n.get(), rows);
  qkv_.inputGradient(backend, dn.get(), dqkv.get(), rows);
  backend.layerNormGradient(dx.get(), norm1_.weight->gradient.get(), norm1_.bias->gradient.get(), dn.get(), t.x.get(),
                            t.mean1.get(), t.rstd1.get(), norm1_.weight->value.get(), rows, d);
  cancel.check();
}

}  // namespace dinomaly
