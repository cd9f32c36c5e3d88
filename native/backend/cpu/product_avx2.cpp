#include "backend/cpu/product_strips.h"

namespace dinomaly {

ProductKernel avx2Product() {
  using Vector = float __attribute__((vector_size(32)));
  constexpr int kRows = 6;  // with two vectors of sums each, what fills sixteen registers best
  return {kRows, 1, multiplyStrips<Vector, kRows, 1>};
}

}  // namespace dinomaly
