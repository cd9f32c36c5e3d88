// What a case computes on: tensors by kind and size, whose values are made only where they are needed.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

namespace dinomaly::table {

enum class Kind {
  activations,  // Element, of the backend's type
  floats,
  weight,  // of a linear layer: (out,in) rows on the host, an order of its own in the backend
  pixels,  // bytes
};

/// What an operation does with a tensor. One that is only read must come back as it was.
enum class Access { read, write, update };

struct Operand {
  Kind kind;
  Access access;
  int64_t size;
  /// Before the operation, from a seed; numbers, too, for what is only written.
  std::function<std::vector<float>(uint32_t)> values;
  int64_t in = 0;  // of a weight
};

using Values = std::vector<std::vector<float>>;

/// Seeded values in [-scale, scale).
Operand activations(Access access, int64_t size, float scale = 1);
Operand floats(Access access, int64_t size, float scale = 1);
Operand weight(Access access, int64_t in, int64_t out);
Operand pixels(int64_t size);
/// Exactly these.
Operand given(Kind kind, Access access, std::vector<float> values);
/// All the same.
Operand evenWeight(Access access, int64_t in, int64_t out, float value);

/// Each operand's values, from seeds of their own.
Values valuesOf(const std::vector<Operand>& operands);

/// bf16's nearest, ties to even.
float roundedToBf16(float x);

}  // namespace dinomaly::table
