#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "backend/cpu/attention_kernel.h"
#include "backend/cpu/cpu_backend.h"
#include "backend/cpu/panels.h"
#include "backend/cpu/product.h"

namespace dinomaly {
namespace {

constexpr int64_t kRows = 24;      // queries at a time: their scores stay in the second-level cache
constexpr int64_t kTaskRows = 48;  // that a thread takes

/// Keys (d, tokens), in panels of which the last is filled up, and values (tokens, d) of one head of one picture.
struct HeadShape {
  int64_t tokens, d;
  int64_t keyColumns() const { return (tokens + kPanelCols - 1) / kPanelCols * kPanelCols; }
  int64_t keys() const { return d * keyColumns(); }
  int64_t size() const { return keys() + tokens * d; }
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
  packRows(packed + head.keys(), v, stride, head.tokens, head.d);
}

/// y (rows of `dim`) = softmax(scale * q k^T) v for up to kRows queries, `stride` apart.
void attend(float* y, int64_t dim, const float* q, int64_t stride, int64_t rows, const float* packed,
            const HeadShape& head, float scale) {
  const int64_t keys = head.keyColumns(), values = head.d;
  thread_local std::vector<float> scores, sums;
  scores.resize(static_cast<size_t>(kRows * keys));
  sums.resize(static_cast<size_t>(kRows * values));
  multiplyPanels({scores.data(), keys}, {q, stride, head.d}, packed, rows, keys, head.d);
  if (keys > head.tokens) {
    for (int64_t i = 0; i < rows; ++i) {
      float* const row = scores.data() + i * keys;
      std::fill(row + head.tokens, row + keys, -std::numeric_limits<float>::infinity());  // of no key
    }
  }
  float totals[kRows];
  bestAttention().exponentials(totals, scores.data(), rows, keys, scale);
  multiplyPanels({sums.data(), values}, {scores.data(), keys, head.tokens}, packed + head.keys(), rows, values,
                 head.tokens);
  for (int64_t i = 0; i < rows; ++i) {
    const float share = 1.0f / totals[i];
    for (int64_t c = 0; c < head.d; ++c) y[i * dim + c] = share * sums[static_cast<size_t>(i * values + c)];
  }
}

}  // namespace

void CpuBackend::softmaxAttention(float* y, const float* qkv, int64_t images, int64_t tokens, int64_t heads,
                                  int64_t headDim) {
  const int64_t dim = heads * headDim, stride = 3 * dim, blocks = (tokens + kTaskRows - 1) / kTaskRows;
  const HeadShape head{tokens, headDim};
  const float scale = kLog2OfE / std::sqrt(static_cast<float>(headDim));
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
