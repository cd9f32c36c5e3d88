// What a case costs at least: each operand crosses memory once, or twice if it is changed.
#pragma once

#include "table/case.h"
#include "table/options.h"

namespace dinomaly::table {

struct Cost {
  double flops, bytes;
  double intensity() const { return flops / bytes; }
  bool boundByProducts(const Roof& roof) const { return flops / roof.flops > bytes / roof.bytes; }
  /// Seconds that the roof allows.
  double least(const Roof& roof) const;
};

/// elementBytes: of activations, and of the factors that products read of weights.
Cost costOf(const Case& c, int64_t elementBytes);

}  // namespace dinomaly::table
