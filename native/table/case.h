// A line of the table: an operation at a shape, what it may differ by, and what it costs.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "table/placed.h"

namespace dinomaly::table {

/// Of an output's largest value.
struct Tolerance {
  double f32 = 0;
  double tf32 = f32;   // of products' factors; where there are none, nothing changes
  double bf16 = 4e-3;  // of activations: rounding once is at most 2^-8 of a value, 3.9e-3
  double sums = f32;   // of f32 results in bf16: from rounded values the plain loops compute the same
};

struct Case {
  std::string operation;  // as backend.h calls it, and how it is called
  std::string shape;
  std::vector<Operand> operands = {};
  Operation run = {};
  Tolerance tolerance = {};
  double flops = 0;                                  // multiplications and additions
  std::string source = {};                           // of its CUDA kernels, in native/backend/cuda
  bool large = false;                                // for the emulated device
  bool products = false;                             // made of matrix products, so that the precision counts
  Operation prepare = {};                            // once before any number of runs
  Operation finish = {};                             // after them
  std::vector<std::pair<size_t, size_t>> same = {};  // operands that must be equal to the bit
  bool mayBeRefused = false;                         // beyond what a backend has to do
  int64_t scored = 0;                                // how often the network calls it to score a batch

  std::string name() const { return operation + " " + shape; }
};

using Cases = std::vector<Case>;

inline Case scored(int64_t times, Case c) {
  c.scored = times;
  return c;
}

/// Everything that a case does, on one set of operands.
inline void runWhole(const Case& c, Backend& backend, const Placed& operands) {
  if (c.prepare) c.prepare(backend, operands);
  c.run(backend, operands);
  if (c.finish) c.finish(backend, operands);
}

/// "3x5x128".
template <typename... Sizes>
std::string shapeText(int64_t first, Sizes... rest) {
  std::string text = std::to_string(first);
  (void)std::initializer_list<int>{(text += "x" + std::to_string(rest), 0)...};
  return text;
}

}  // namespace dinomaly::table
