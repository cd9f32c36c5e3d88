#include "table/cases.h"

namespace dinomaly::table {
namespace {

Case base(const std::string& operation, int64_t rows, int64_t dim, double flopsEach) {
  Case c{operation, shapeText(rows, dim)};
  c.flops = flopsEach * static_cast<double>(rows * dim);
  c.source = "layer_norm.cu";
  c.large = rows > 405;
  return c;
}

/// `kept`: mean and rstd, as training needs them. wide: x is.
Case forward(int64_t rows, int64_t dim, bool kept, bool wide = false) {
  const std::string name = wide ? "layerNorm of a wide one" : "layerNorm";
  Case c = base(kept ? name + ", statistics kept" : name, rows, dim, 8);
  c.tolerance = {1e-5};
  const int64_t statistics = kept ? rows : 0;
  c.operands = {
      activations(Access::write, rows * dim), floats(Access::write, statistics), floats(Access::write, statistics),
      activations(Access::read, rows * dim),  floats(Access::read, dim),         floats(Access::read, dim)};
  if (wide) c.operands[3].kind = Kind::floats;
  c.run = [=](Backend& b, const Placed& p) {
    b.layerNorm(p.e(0), kept ? p.f(1) : nullptr, kept ? p.f(2) : nullptr, p.e(3), p.f(4), p.f(5), rows, dim, 1e-6f,
                wide);
  };
  return c;
}

Case gradient(int64_t rows, int64_t dim) {
  Case c = base("layerNormGradient", rows, dim, 14);
  c.tolerance = {2e-5};
  c.operands = {activations(Access::update, rows * dim),
                floats(Access::write, dim),
                floats(Access::write, dim),
                activations(Access::read, rows * dim),
                activations(Access::read, rows * dim),
                floats(Access::read, rows),
                floats(Access::read, rows),
                floats(Access::read, dim)};
  c.run = [=](Backend& b, const Placed& p) {
    b.layerNormGradient(p.e(0), p.f(1), p.f(2), p.e(3), p.e(4), p.f(5), p.f(6), p.f(7), rows, dim);
  };
  return c;
}

}  // namespace

Cases layerNormCases() {
  Cases all;
  for (const auto& [rows, dim] :
       {std::pair<int64_t, int64_t>{1, 64}, {5, 384}, {202, 130}, {37, 1024}, {405, 128}, {789, 768}, {1374, 256}}) {
    all.push_back(forward(rows, dim, true));
    all.push_back(forward(rows, dim, false));
    all.push_back(forward(rows, dim, true, true));
    all.push_back(forward(rows, dim, false, true));
    all.push_back(gradient(rows, dim));
  }
  return all;
}

Cases layerNormCases(const Network& n) {
  return {scored(2 * (n.blocks() - n.wideBlocks), forward(n.rows(), n.dim, false)),
          scored(2 * n.wideBlocks, forward(n.rows(), n.dim, false, true)), forward(n.rows(), n.dim, true),
          gradient(n.rows(), n.dim)};
}

}  // namespace dinomaly::table
