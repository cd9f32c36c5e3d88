// GELU, dropout and weighted sums.
#include "table/cases.h"

namespace dinomaly::table {
namespace {

constexpr float kTails = 12;  // into GELU's, unless they are the only values
constexpr uint64_t kSeed = 0x123456789abc;

Case base(const std::string& operation, const std::string& shape, std::vector<Operand> operands, double flops) {
  Case c{operation, shape, std::move(operands)};
  c.tolerance = {1e-6};
  c.flops = flops;
  c.source = "elementwise.cu";
  return c;
}

float scaleOf(int64_t size) {
  return size > 1 ? kTails : 1;
}

Case geluOf(int64_t size) {
  Case c =
      base("gelu", shapeText(size), {activations(Access::write, size), activations(Access::read, size, scaleOf(size))},
           20.0 * static_cast<double>(size));
  c.run = [size](Backend& b, const Placed& p) { b.gelu(p.e(0), p.e(1), size); };
  return c;
}

Case geluBackwardOf(int64_t rows, int64_t dim) {
  const int64_t size = rows * dim;
  Case c = base(
      "geluBackward", shapeText(rows, dim),
      {activations(Access::update, size, scaleOf(size)), activations(Access::update, size), floats(Access::write, dim)},
      40.0 * static_cast<double>(size));
  c.run = [=](Backend& b, const Placed& p) { b.geluBackward(p.e(0), p.e(1), p.f(2), rows, dim); };
  c.tolerance.sums = 4e-3;  // of what has been rounded before
  c.source = "gelu_backward.cu";
  return c;
}

/// `onto`: the first tensor is the result itself.
Case sumOf(int64_t count, int64_t size, bool onto = false) {
  Case c = base(onto ? "weightedSum onto the first" : "weightedSum", shapeText(size) + ", of " + std::to_string(count),
                {activations(onto ? Access::update : Access::write, size)},
                2.0 * static_cast<double>(count) * static_cast<double>(size));
  for (int64_t i = onto ? 1 : 0; i < count; ++i) c.operands.push_back(activations(Access::read, size));
  c.run = [=](Backend& b, const Placed& p) {
    std::vector<const Element*> xs;
    std::vector<float> weights;
    for (size_t i = 0; i < static_cast<size_t>(count); ++i) {
      xs.push_back(p.e(onto ? i : i + 1));
      weights.push_back(0.1f * static_cast<float>(i + 1));
    }
    b.weightedSum(p.e(0), xs.data(), weights.data(), count, size);
  };
  if (count > 8) c.tolerance.bf16 *= 2;  // rounded twice
  return c;
}

/// Where the residual stream is wide no more; where all activations are f32 the network leaves it out.
Case narrowedOf(int64_t size) {
  Case c = base("toElements", shapeText(size), {activations(Access::write, size), floats(Access::read, size)}, 0);
  c.run = [size](Backend& b, const Placed& p) { b.toElements(p.e(0), p.f(1), size); };
  return c;
}

Case dropoutOf(int64_t rows, int64_t dim, float rate, bool inPlace) {
  Case c = base(std::string("dropout") + (inPlace ? " in place" : "") + ", rate " + std::to_string(rate).substr(0, 3),
                shapeText(rows, dim),
                {activations(inPlace ? Access::update : Access::write, rows * dim),
                 activations(Access::read, inPlace ? 0 : rows * dim)},
                static_cast<double>(rows * dim));
  c.prepare = [](Backend& b, const Placed&) {
    StepNumbers numbers;
    numbers.seed = kSeed;
    numbers.iteration = 7;
    b.beginStep(numbers);
  };
  c.run = [=](Backend& b, const Placed& p) { b.dropout(p.e(0), p.e(inPlace ? 0 : 1), rows, dim, {rate, 1}); };
  return c;
}

}  // namespace

Cases elementwiseCases() {
  Case inPlace = geluOf(1001);
  inPlace.operation = "gelu in place";
  inPlace.operands = {activations(Access::update, 1001, kTails)};
  inPlace.run = [](Backend& b, const Placed& p) { b.gelu(p.e(0), p.e(0), 1001); };
  Cases all = {std::move(inPlace), dropoutOf(37, 130, 0.4f, true)};
  for (int64_t size : {1, 20011}) {
    all.push_back(geluOf(size));
    for (int64_t count : {1, 2, 8, 11}) all.push_back(sumOf(count, size));
    all.push_back(sumOf(9, size, true));
  }
  for (float rate : {0.0f, 0.2f, 0.4f}) all.push_back(dropoutOf(37, 130, rate, false));
  for (int64_t count : {2, 4, 8, 9}) all.push_back(sumOf(count, 4096));
  all.push_back(geluBackwardOf(1, 1));
  for (int64_t dim : {33, 130, 264, 1024}) {
    for (int64_t rows : {1, 37, 150}) all.push_back(geluBackwardOf(rows, dim));
  }
  all.push_back(dropoutOf(1, 5, 0.4f, false));
  all.push_back(dropoutOf(5, 1024, 0.4f, false));
  return all;
}

Cases elementwiseCases(const Network& n) {
  const int64_t wide = n.rows() * 4 * n.dim;
  return {geluOf(wide), geluBackwardOf(n.rows(), 4 * n.dim), scored(1, narrowedOf(n.rows() * n.dim)),
          dropoutOf(n.rows(), n.dim, 0.4f, false), dropoutOf(n.rows(), 4 * n.dim, 0.4f, true)};
}

}  // namespace dinomaly::table
