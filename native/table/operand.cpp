#include "table/operand.h"

#include <cmath>
#include <cstring>
#include <utility>

#include "test/noise.h"

namespace dinomaly::table {
namespace {

Operand scaledNoise(Kind kind, Access access, int64_t size, float scale) {
  return {kind, access, size, [size, scale](uint32_t seed) {
            std::vector<float> values = noise(size, seed);
            for (float& v : values) v *= scale;
            return values;
          }};
}

}  // namespace

Operand activations(Access access, int64_t size, float scale) {
  return scaledNoise(Kind::activations, access, size, scale);
}

Operand floats(Access access, int64_t size, float scale) {
  return scaledNoise(Kind::floats, access, size, scale);
}

Operand weight(Access access, int64_t in, int64_t out) {
  Operand made = scaledNoise(Kind::weight, access, in * out, 1);
  made.in = in;
  return made;
}

Operand pixels(int64_t size) {
  return {Kind::pixels, Access::read, size, [size](uint32_t) {
            std::vector<float> values;
            for (int64_t i = 0; i < size; ++i) values.push_back(static_cast<float>(i * 37 % 251));
            return values;
          }};
}

Operand given(Kind kind, Access access, std::vector<float> values) {
  const auto size = static_cast<int64_t>(values.size());
  return {kind, access, size, [values = std::move(values)](uint32_t) { return values; }};
}

Operand evenWeight(Access access, int64_t in, int64_t out, float value) {
  Operand made = given(Kind::weight, access, std::vector<float>(static_cast<size_t>(in * out), value));
  made.in = in;
  return made;
}

Values valuesOf(const std::vector<Operand>& operands) {
  Values values;
  for (const Operand& o : operands) values.push_back(o.values(static_cast<uint32_t>(values.size()) + 1));
  return values;
}

float roundedToBf16(float x) {
  if (!std::isfinite(x)) return x;
  uint32_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  bits = (bits + 0x7FFFu + (bits >> 16 & 1u)) & 0xFFFF0000u;
  std::memcpy(&x, &bits, sizeof x);
  return x;
}

}  // namespace dinomaly::table
