// What both attentions do to rows besides products, once for each set of vector instructions; the bits are the same.
#pragma once

#include <cstdint>

namespace dinomaly {

constexpr float kLog2OfE = 1.44269504f;

struct AttentionKernel {
  /// Each row x (n), n a multiple of kPanelCols, becomes 2^(scale * (x - its largest)), and its sum goes to sums
  /// (rows).
  void (*exponentials)(float* sums, float* x, int64_t rows, int64_t n, float scale);
  /// y (rows,n) = phi(x), phi(t) = t + 1 above zero, else e^t; rows of x `stride` apart.
  void (*features)(float* y, const float* x, int64_t stride, int64_t rows, int64_t n);
};

AttentionKernel avx2Attention();
/// For processors that have AVX-512F.
AttentionKernel avx512Attention();
/// What this processor is fastest with.
const AttentionKernel& bestAttention();

}  // namespace dinomaly
