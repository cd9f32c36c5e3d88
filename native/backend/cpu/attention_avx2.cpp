#include "backend/cpu/attention_rows.h"

namespace dinomaly {

AttentionKernel avx2Attention() {
  using Vector = float __attribute__((vector_size(32)));
  return {exponentials<Vector>, features<Vector>};
}

}  // namespace dinomaly
