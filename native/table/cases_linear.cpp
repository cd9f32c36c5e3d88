// Linear layers: the product with each epilogue, and its gradients.
#include "table/cases.h"

namespace dinomaly::table {
namespace {

constexpr const char* kSource = "linear.cu";

struct Shape {
  int64_t rows, in, out;
};

Case base(const std::string& operation, const Shape& s) {
  Case c{operation, shapeText(s.rows, s.in, s.out)};
  c.tolerance = {1e-5, 5e-3, 6e-3};  // in bf16 bias and LayerScale times weight are rounded too
  c.flops = 2.0 * static_cast<double>(s.rows) * static_cast<double>(s.in) * static_cast<double>(s.out);
  c.source = kSource;
  c.products = true;
  c.large = s.rows > 405 || c.flops > 120e6;
  return c;
}

/// `onto`: the residual is the result itself; `mayRound`: to bytes.
Case forward(const std::string& operation, const Shape& s, bool bias, Activation activation, bool scale, bool residual,
             bool onto = false, bool mayRound = true) {
  Case c = base(operation, s);
  c.operands = {activations(onto ? Access::update : Access::write, s.rows * s.out),
                activations(Access::read, s.rows * s.in),
                weight(Access::read, s.in, s.out),
                floats(Access::read, bias ? s.out : 0),
                floats(Access::read, scale ? s.out : 0),
                activations(Access::read, residual && !onto ? s.rows * s.out : 0)};
  c.run = [=](Backend& b, const Placed& p) {
    b.linear(p.e(0), p.e(1), p.f(2), s.rows, s.in, s.out,
             {bias ? p.f(3) : nullptr, activation, scale ? p.f(4) : nullptr,
              onto ? p.e(0) : (residual ? p.e(5) : nullptr), mayRound});
  };
  return c;
}

/// With a result that is wide, and so is the residual.
Case wide(const std::string& operation, const Shape& s, bool scale, bool residual, bool onto = false) {
  Case c = forward(operation, s, true, Activation::none, scale, residual, onto);
  c.operands[0].kind = c.operands[5].kind = Kind::floats;
  if (scale) c.tolerance.sums = 3e-3;  // LayerScale times weight is rounded
  c.run = [=](Backend& b, const Placed& p) {
    b.linear(p.e(0), p.e(1), p.f(2), s.rows, s.in, s.out,
             {p.f(3), Activation::none, scale ? p.f(4) : nullptr, onto ? p.e(0) : (residual ? p.e(5) : nullptr), true,
              true});
  };
  return c;
}

/// Rows of which each is one value: in bytes they are the largest, whose products are the first to saturate.
Case largestBytes(const Shape& s, float sign) {
  Case c = forward("linear of the largest bytes, " + std::string(sign < 0 ? "negative" : "positive"), s, false,
                   Activation::none, false, false);
  c.operands[1] = given(Kind::activations, Access::read, std::vector<float>(static_cast<size_t>(s.rows * s.in), 1));
  c.operands[2] = evenWeight(Access::read, s.in, s.out, sign);
  return c;
}

Case inputGradient(const Shape& s) {
  Case c = base("linearInputGradient", s);
  c.operands = {activations(Access::write, s.rows * s.in), activations(Access::read, s.rows * s.out),
                weight(Access::read, s.in, s.out)};
  c.run = [=](Backend& b, const Placed& p) { b.linearInputGradient(p.e(0), p.e(1), p.f(2), s.rows, s.in, s.out); };
  return c;
}

Case weightGradient(const Shape& s, bool bias = true) {
  Case c = base(bias ? "linearWeightGradient" : "linearWeightGradient without the bias's", s);
  c.operands = {weight(Access::write, s.in, s.out), floats(Access::write, bias ? s.out : 0),
                activations(Access::read, s.rows * s.out), activations(Access::read, s.rows * s.in)};
  c.run = [=](Backend& b, const Placed& p) {
    b.linearWeightGradient(p.f(0), bias ? p.f(1) : nullptr, p.e(2), p.e(3), s.rows, s.in, s.out);
  };
  return c;
}

Case weightThereAndBack(const Shape& s) {
  Case c = base("uploadWeight and downloadWeight", s);
  c.operands = {weight(Access::read, s.in, s.out)};
  c.run = [](Backend&, const Placed&) {};
  c.tolerance = {0, 0, 0};
  c.flops = 0;
  return c;
}

}  // namespace

Cases linearCases() {
  Cases all;
  const Shape shapes[] = {{1, 64, 64},     {5, 128, 384}, {202, 96, 200}, {405, 130, 300},
                          {405, 384, 384}, {150, 588, 1}, {789, 400, 96}, {77, 1000, 40}};
  for (const Shape& s : shapes) {
    all.push_back(weightThereAndBack(s));
    all.push_back(forward("linear", s, false, Activation::none, false, false));
    all.push_back(forward("linear, bias", s, true, Activation::none, false, false));
    all.push_back(forward("linear, bias, gelu", s, true, Activation::gelu, false, false));
    all.push_back(forward("linear, bias, residual", s, true, Activation::none, false, true));
    all.push_back(forward("linear, bias, scale, residual", s, true, Activation::none, true, true));
    all.push_back(forward("linear, bias, onto its residual", s, true, Activation::none, false, true, true));
    all.push_back(forward("linear, bias, scale, onto its residual", s, true, Activation::none, true, true, true));
    all.push_back(wide("linear, bias, wide", s, false, false));
    all.push_back(wide("linear, bias, residual, wide", s, false, true));
    all.push_back(wide("linear, bias, scale, residual, wide", s, true, true));
    all.push_back(wide("linear, bias, scale, onto its residual, wide", s, true, true, true));
    all.push_back(forward("linear in full, bias", s, true, Activation::none, false, false, false, false));
    for (const float sign : {1.0f, -1.0f}) all.push_back(largestBytes(s, sign));
    all.push_back(inputGradient(s));
    all.push_back(weightGradient(s));
    all.push_back(weightGradient(s, false));
  }
  all.push_back(
      forward("linear of more than bytes can be summed", {2, 70000, 5}, true, Activation::none, false, false));
  const Shape largest{1374, 128, 1024};
  all.push_back(forward("linear, bias, gelu", largest, true, Activation::gelu, false, false));
  all.push_back(inputGradient(largest));
  all.push_back(weightGradient(largest));
  return all;
}

Cases linearCases(const Network& n) {
  const int64_t rows = n.rows(), d = n.dim;
  const Shape qkv{rows, d, 3 * d}, proj{rows, d, d}, fc1{rows, d, 4 * d}, fc2{rows, 4 * d, d};
  const auto none = Activation::none;
  Cases all = {
      scored(1, wide("linear, bias, wide", {n.images * n.patches(), 588, d}, false, false)),
      scored(n.blocks(), forward("linear, bias", qkv, true, none, false, false)),
      scored(n.wideBlocks, wide("linear, bias, scale, residual, wide", proj, true, true)),
      scored(n.encoderBlocks - n.wideBlocks, forward("linear, bias, scale, residual", proj, true, none, true, true)),
      scored(n.decoderBlocks, forward("linear, bias, residual", proj, true, none, false, true)),
      scored(n.blocks() + 1, forward("linear, bias, gelu", fc1, true, Activation::gelu, false, false)),
      forward("linear, bias", fc1, true, none, false, false),
      scored(n.wideBlocks, wide("linear, bias, scale, residual, wide", fc2, true, true)),
      scored(n.encoderBlocks - n.wideBlocks, forward("linear, bias, scale, residual", fc2, true, none, true, true)),
      scored(n.decoderBlocks, forward("linear, bias, residual", fc2, true, none, false, true)),
      scored(1, forward("linear, bias", fc2, true, none, false, false)),  // the bottleneck's
  };
  for (const Shape& s : {qkv, proj, fc1, fc2}) {
    all.push_back(inputGradient(s));
    all.push_back(weightGradient(s, s.out != fc1.out));  // fc1's comes of geluBackward()
  }
  return all;
}

}  // namespace dinomaly::table
