#include "backend/cpu/attention_kernel.h"

namespace dinomaly {

const AttentionKernel& bestAttention() {
  // Chosen at the first call, since what runs when the addon is loaded must not need AVX.
  static const AttentionKernel best = __builtin_cpu_supports("avx512f") ? avx512Attention() : avx2Attention();
  return best;
}

}  // namespace dinomaly
