#include "backend/cpu/attention_rows.h"

namespace dinomaly {

AttentionKernel avx512Attention() {
  using Vector = float __attribute__((vector_size(64)));
  return {exponentials<Vector>, features<Vector>};
}

}  // namespace dinomaly
