#include "backend/cpu/product_strips.h"

namespace dinomaly {

ProductKernel avx512Product() {
  using Vector = float __attribute__((vector_size(64)));
  // 24 sums in 32 registers. Two panels and twelve rows would be as many, but rows whole pages apart, as those of wide
  // layers are, have but eight places in the first-level cache.
  constexpr int kPanels = 4;
  return {kPanels, multiplyStrips<Vector, kStripRows, kPanels>};
}

}  // namespace dinomaly
