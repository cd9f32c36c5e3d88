#include "table/cost.h"

#include <algorithm>

namespace dinomaly::table {
namespace {

int64_t bytesOf(const Operand& operand, int64_t elementBytes) {
  if (operand.kind == Kind::pixels) return 1;
  const bool narrow =
      operand.kind == Kind::activations || (operand.kind == Kind::weight && operand.access == Access::read);
  return narrow ? elementBytes : static_cast<int64_t>(sizeof(float));
}

}  // namespace

double Cost::least(const Roof& roof) const {
  return std::max(flops / roof.flops, bytes / roof.bytes);
}

Cost costOf(const Case& c, int64_t elementBytes) {
  Cost cost{c.flops, 0};
  for (const Operand& o : c.operands) {
    const int64_t crossings = o.access == Access::update ? 2 : 1;
    cost.bytes += static_cast<double>(o.size * bytesOf(o, elementBytes) * crossings);
  }
  return cost;
}

}  // namespace dinomaly::table
