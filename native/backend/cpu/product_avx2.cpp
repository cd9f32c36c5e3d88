#include "backend/cpu/product_strips.h"

namespace dinomaly {

ProductKernel avx2Product() {
  using Vector = float __attribute__((vector_size(32)));
  constexpr int kPanels = 1;  // 12 sums in 16 registers
  return {kPanels, multiplyStrips<Vector, kStripRows, kPanels>};
}

}  // namespace dinomaly
