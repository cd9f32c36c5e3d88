#include "table/cases.h"

namespace dinomaly::table {
namespace {

struct Shape {
  int64_t images, tokens, heads, headDim;
  int64_t rows() const { return images * tokens; }
  int64_t dim() const { return heads * headDim; }
};

constexpr float kPeaked = 3;  // softmax far from even

Case base(const std::string& operation, const Shape& s) {
  Case c{operation, shapeText(s.images, s.tokens, s.heads, s.headDim)};
  c.large = s.tokens > 405 || s.dim() > 384;
  c.mayBeRefused = s.headDim > 128;
  return c;
}

Case softmax(const Shape& s) {
  Case c = base("softmaxAttention", s);
  c.operands = {activations(Access::write, s.rows() * s.dim()),
                activations(Access::read, s.rows() * 3 * s.dim(), kPeaked)};
  c.run = [s](Backend& b, const Placed& p) {
    b.softmaxAttention(p.e(0), p.e(1), s.images, s.tokens, s.heads, s.headDim);
  };
  c.tolerance = {2e-5, 2e-5, 6e-3};  // tensor cores take the softmax's numerators in bf16
  c.flops = 4.0 * static_cast<double>(s.rows() * s.dim()) * static_cast<double>(s.tokens);
  c.source = "softmax_attention.cu";
  return c;
}

/// phi(k)^T v and phi(q) times it: 2 d flops each for each of the tokens' channels.
double linearFlops(const Shape& s) {
  return 4.0 * static_cast<double>(s.rows() * s.dim() * s.headDim);
}

/// In bf16; in float always the second.
std::string linearSource(const Shape& s) {
  return s.headDim == 64 ? "linear_attention_tensor.cu" : "linear_attention.cu";
}

Case linear(const Shape& s) {
  Case c = base("linearAttention", s);
  c.operands = {activations(Access::write, s.rows() * s.dim()),
                activations(Access::read, s.rows() * 3 * s.dim(), kPeaked)};
  c.run = [s](Backend& b, const Placed& p) {
    b.linearAttention(p.e(0), p.e(1), s.images, s.tokens, s.heads, s.headDim);
  };
  c.tolerance = {2e-5};
  c.flops = linearFlops(s);
  c.source = linearSource(s);
  return c;
}

Case linearGradient(const Shape& s) {
  Case c = base("linearAttentionGradient", s);
  c.operands = {activations(Access::write, s.rows() * 3 * s.dim()), activations(Access::read, s.rows() * s.dim()),
                activations(Access::read, s.rows() * 3 * s.dim(), kPeaked)};
  c.run = [s](Backend& b, const Placed& p) {
    b.linearAttentionGradient(p.e(0), p.e(1), p.e(2), s.images, s.tokens, s.heads, s.headDim);
  };
  c.tolerance = {5e-5};
  c.flops = 2.5 * linearFlops(s);  // five products, of which the forward pass has two
  c.source = linearSource(s);
  return c;
}

}  // namespace

Cases attentionCases() {
  // Head sizes other than 64 too, of which a device may refuse the largest.
  const Shape shapes[] = {{1, 1, 2, 64},   {3, 5, 2, 64},   {1, 202, 2, 64}, {2, 37, 3, 20},
                          {1, 405, 1, 64}, {2, 202, 6, 64}, {1, 789, 2, 64}, {1, 1374, 1, 64},
                          {1, 37, 16, 64}, {1, 37, 1, 128}, {1, 5, 1, 160}};
  Cases all;
  for (const Shape& s : shapes) {
    all.push_back(softmax(s));
    all.push_back(linear(s));
    all.push_back(linearGradient(s));
  }
  return all;
}

Cases attentionCases(const Network& n) {
  const Shape s{n.images, n.tokens(), n.heads, n.dim / n.heads};
  return {scored(n.encoderBlocks, softmax(s)), scored(n.decoderBlocks, linear(s)), linearGradient(s)};
}

}  // namespace dinomaly::table
