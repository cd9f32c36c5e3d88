#include <algorithm>
#include <cmath>
#include <vector>

#include "backend/cpu/cpu_backend.h"
#include "backend/cpu/panels.h"
#include "backend/cpu/product.h"
#include "backend/cpu/vector_math.h"

namespace dinomaly {
namespace {

constexpr int64_t kRows = 12;      // queries at a time: their scores against 600 keys stay in the first-level cache
constexpr int64_t kTaskRows = 48;  // that a thread takes

int64_t wholePanels(int64_t columns) {
  return (columns + kPanelCols - 1) / kPanelCols * kPanelCols;
}

/// Keys (d, tokens) and values (tokens, d) of one head of one picture, in panels.
struct HeadShape {
  int64_t tokens, d;
  int64_t keyColumns() const { return wholePanels(tokens); }
  int64_t valueColumns() const { return wholePanels(d); }
  int64_t keys() const { return d * keyColumns(); }
  int64_t size() const { return keys() + tokens * valueColumns(); }
};

void packHead(float* packed, const float* k, const float* v, int64_t stride, const HeadShape& head) {
  const int64_t whole = head.tokens / kPanelCols * kPanelCols;
  for (int64_t j = 0; j < whole; j += kPanelCols) packWeightPanel(packed, k, stride, head.d, head.tokens, j);
  float* const last = packed + whole * head.d;  // which packWeightPanel would make narrower
  for (int64_t p = 0; whole < head.tokens && p < head.d; ++p) {
    for (int64_t q = 0; q < kPanelCols; ++q) {
      last[p * kPanelCols + q] = whole + q < head.tokens ? k[(whole + q) * stride + p] : 0.0f;
    }
  }
  packWholePanels(packed + head.keys(), v, stride, head.tokens, head.d);
}

/// In lanes, since a compiler may not reorder the comparisons of a loop over all.
float largest(const float* row, int64_t n) {
  constexpr int64_t kLanes = 8;
  float top[kLanes];
  std::fill(top, top + kLanes, row[0]);
  int64_t j = 0;
  for (; j + kLanes <= n; j += kLanes) {
    for (int64_t lane = 0; lane < kLanes; ++lane) top[lane] = row[j + lane] > top[lane] ? row[j + lane] : top[lane];
  }
  for (; j < n; ++j) top[0] = std::max(top[0], row[j]);
  return *std::max_element(top, top + kLanes);
}

/// exp(scale * (row - its largest)) in place; the sum is returned.
float exponentials(float* row, int64_t n, float scale) {
  const float top = largest(row, n);
  float sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t j = 0; j < n; ++j) {
    row[j] = vectorExp(scale * (row[j] - top));
    sum += row[j];
  }
  return sum;
}

/// y (rows of `dim`) = softmax(scale * q k^T) v for up to kRows queries, `stride` apart.
void attend(float* y, int64_t dim, const float* q, int64_t stride, int64_t rows, const float* packed,
            const HeadShape& head, float scale) {
  const int64_t keys = head.keyColumns(), values = head.valueColumns();
  thread_local std::vector<float> scores, sums;
  scores.resize(static_cast<size_t>(kRows * keys));
  sums.resize(static_cast<size_t>(kRows * values));
  multiplyPanels({scores.data(), keys}, {q, stride, head.d}, packed, rows, keys, head.d);
  float shares[kRows];
  for (int64_t i = 0; i < rows; ++i) shares[i] = 1.0f / exponentials(scores.data() + i * keys, head.tokens, scale);
  multiplyPanels({sums.data(), values}, {scores.data(), keys, head.tokens}, packed + head.keys(), rows, values,
                 head.tokens);
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t c = 0; c < head.d; ++c) y[i * dim + c] = shares[i] * sums[static_cast<size_t>(i * values + c)];
  }
}

}  // namespace

void CpuBackend::softmaxAttention(float* y, const float* qkv, int64_t images, int64_t tokens, int64_t heads,
                                  int64_t headDim) {
  const int64_t dim = heads * headDim, stride = 3 * dim, blocks = (tokens + kTaskRows - 1) / kTaskRows;
  const HeadShape head{tokens, headDim};
  const float scale = 1.0f / std::sqrt(static_cast<float>(headDim));
  const Buffer packed = allocate(images * heads * head.size());
  const auto queriesOf = [&](int64_t i) { return qkv + i / heads * tokens * stride + i % heads * headDim; };
  threads_.run(images * heads, [&](int64_t i) {
    packHead(packed.get() + i * head.size(), queriesOf(i) + dim, queriesOf(i) + 2 * dim, stride, head);
  });
  threads_.run(images * heads * blocks, [&](int64_t task) {
    const int64_t i = task / blocks, first = task % blocks * kTaskRows, end = std::min(tokens, first + kTaskRows);
    for (int64_t row = first; row < end; row += kRows) {
      attend(y + (i / heads * tokens + row) * dim + i % heads * headDim, dim, queriesOf(i) + row * stride, stride,
             std::min(kRows, end - row), packed.get() + i * head.size(), head, scale);
    }
  });
}

}  // namespace dinomaly
