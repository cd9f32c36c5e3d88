#include "table/roof.h"

#include <algorithm>
#include <chrono>

#include "table/cost.h"

namespace dinomaly::table {
namespace {

constexpr double kEnoughSeconds = 0.05;

double secondsOfRuns(const Case& c, Backend& backend, const Placed& operands, int64_t count) {
  const auto begin = std::chrono::steady_clock::now();
  for (int64_t i = 0; i < count; ++i) c.run(backend, operands);
  operands.wait();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

Case product(int64_t rows, int64_t in, int64_t out) {
  Case c{"product", shapeText(rows, in, out)};
  c.operands = {activations(Access::write, rows * out), activations(Access::read, rows * in),
                weight(Access::read, in, out)};
  c.run = [=](Backend& b, const Placed& p) { b.linear(p.e(0), p.e(1), p.f(2), rows, in, out, {}); };
  c.flops = 2.0 * static_cast<double>(rows * in) * static_cast<double>(out);
  return c;
}

Case copy(int64_t size) {
  Case c{"copy", shapeText(size), {activations(Access::write, size), activations(Access::read, size)}};
  c.run = [=](Backend& b, const Placed& p) { b.copy(p.e(0), p.e(1), size); };
  return c;
}

Case sum(int64_t size) {
  Case c{"sum", shapeText(size), {activations(Access::update, size), activations(Access::read, size)}};
  c.run = [=](Backend& b, const Placed& p) {
    const Element* const both[] = {p.e(0), p.e(1)};
    const float weights[] = {1.0f, 0.5f};
    b.weightedSum(p.e(0), both, weights, 2, size);
  };
  return c;
}

}  // namespace

double secondsOf(const Case& c, Backend& backend) {
  const Placed operands(backend, c.operands, valuesOf(c.operands));
  if (c.prepare) c.prepare(backend, operands);
  c.run(backend, operands);  // plans, scratch memory, caches
  operands.wait();
  for (int64_t count = 1;; count *= 2) {
    const double seconds = secondsOfRuns(c, backend, operands, count);
    if (seconds >= kEnoughSeconds) return seconds / static_cast<double>(count);
  }
}

Roof measuredRoof(const Device& device) {
  const auto backend = device.make();
  const int64_t elementBytes = backend->elementBytes();
  const bool large = device.backend == "cuda";
  const int64_t side = large ? 8192 : 768, size = large ? int64_t{1} << 28 : int64_t{1} << 24;
  Roof roof{};
  for (const Case& c : {product(side, side, side), product(side, side / 2, side), product(side / 2, side, side)}) {
    roof.flops = std::max(roof.flops, c.flops / secondsOf(c, *backend));
  }
  for (const Case& c : {copy(size), sum(size)}) {
    roof.bytes = std::max(roof.bytes, costOf(c, elementBytes).bytes / secondsOf(c, *backend));
  }
  return roof;
}

}  // namespace dinomaly::table
