#include "backend/cpu/product_strips.h"

namespace dinomaly {

ProductKernel avx512Product() {
  using Vector = float __attribute__((vector_size(64)));
  constexpr int kRows = 12, kPanels = 2;  // 24 sums in 32 registers
  return {kRows, kPanels, multiplyStrips<Vector, kRows, kPanels>};
}

}  // namespace dinomaly
