#include "backend/cpu/product.h"

#include <cstring>

namespace dinomaly {
namespace {

/// As much of k as is multiplied at a time: a panel's 24 KiB of it stay in the first-level cache.
constexpr int64_t kDepth = 384;

/// Eight floats, which the compiler gives the registers that the processor has.
using Vector = float __attribute__((vector_size(32)));

inline Vector load(const float* from) {
  Vector v;
  std::memcpy(&v, from, sizeof v);
  return v;
}
inline void store(float* to, const Vector& v) {
  std::memcpy(to, &v, sizeof v);
}

/// c (rows,width) = or += a (rows,k) b (k,16): 2 * rows sums in registers, of which six rows fill sixteen registers
/// best. a: element (i,p) at a[i * rowStep + p * depthStep]; b's rows are 16 apart.
template <int kRows, int64_t kDepthStep>
void multiplyStrip(float* c, int64_t stride, int64_t width, const float* a, int64_t rowStep, const float* b, int64_t k,
                   bool add) {
  Vector sums[kRows][2];
  const float* row[kRows];
#pragma GCC unroll 6
  for (int i = 0; i < kRows; ++i) {
    sums[i][0] = sums[i][1] = Vector{};
    row[i] = a + i * rowStep;
  }
  for (int64_t p = 0; p < k; ++p) {
    const Vector left = load(b + p * kPanelCols), right = load(b + p * kPanelCols + 8);
#pragma GCC unroll 6
    for (int i = 0; i < kRows; ++i) {
      const float x = row[i][p * kDepthStep];
      sums[i][0] += x * left;
      sums[i][1] += x * right;
    }
  }
  if (width == kPanelCols) {
#pragma GCC unroll 6
    for (int i = 0; i < kRows; ++i) {
      float* to = c + i * stride;
      store(to, add ? load(to) + sums[i][0] : sums[i][0]);
      store(to + 8, add ? load(to + 8) + sums[i][1] : sums[i][1]);
    }
    return;
  }
#pragma GCC unroll 6
  for (int i = 0; i < kRows; ++i) {
    float sum[kPanelCols];
    store(sum, sums[i][0]);
    store(sum + 8, sums[i][1]);
    for (int64_t j = 0; j < width; ++j) c[i * stride + j] = add ? c[i * stride + j] + sum[j] : sum[j];
  }
}

template <int64_t kDepthStep>
void multiplyRows(int64_t rows, float* c, int64_t stride, int64_t width, const float* a, int64_t rowStep,
                  const float* b, int64_t k, bool add) {
  constexpr decltype(&multiplyStrip<1, kDepthStep>) kKernels[] = {
      multiplyStrip<1, kDepthStep>, multiplyStrip<2, kDepthStep>, multiplyStrip<3, kDepthStep>,
      multiplyStrip<4, kDepthStep>, multiplyStrip<5, kDepthStep>, multiplyStrip<6, kDepthStep>};
  kKernels[rows - 1](c, stride, width, a, rowStep, b, k, add);
}

}  // namespace

void multiplyPanels(const Result& result, const LeftSide& left, const float* right, int64_t m, int64_t n, int64_t k) {
  alignas(64) float wide[kDepth * kPanelCols];  // a narrow last panel, filled up
  for (int64_t depth = 0; depth < k; depth += kDepth) {
    const int64_t count = std::min(kDepth, k - depth);
    for (int64_t column = 0; column < n; column += kPanelCols) {
      const int64_t width = panelWidth(n, column);
      const float* panel = right + column * k + depth * width;
      if (width < kPanelCols) {
        std::fill(wide, wide + count * kPanelCols, 0.0f);
        for (int64_t p = 0; p < count; ++p)
          std::copy(panel + p * width, panel + (p + 1) * width, wide + p * kPanelCols);
        panel = wide;
      }
      float* c = result.data + (result.stride ? column : column * result.height + result.first * width);
      const int64_t stride = result.stride ? result.stride : width;
      for (int64_t row = 0; row < m; row += kStripRows) {
        const int64_t rows = std::min(kStripRows, m - row);
        if (left.stride) {
          multiplyRows<1>(rows, c + row * stride, stride, width, left.data + row * left.stride + depth, left.stride,
                          panel, count, depth > 0);
        } else {
          multiplyRows<kStripRows>(rows, c + row * stride, stride, width,
                                   left.data + row * left.depth + depth * kStripRows, 1, panel, count, depth > 0);
        }
      }
    }
  }
}

}  // namespace dinomaly
