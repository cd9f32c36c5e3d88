#include <algorithm>
#include <vector>

#include "backend/cpu/attention_kernel.h"
#include "backend/cpu/cpu_backend.h"
#include "backend/cpu/panels.h"
#include "backend/cpu/product.h"

namespace dinomaly {
namespace {

constexpr int64_t kTaskRows = 48;  // queries that a thread takes

float dot(const float* a, const float* b, int64_t n) {
  float sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t i = 0; i < n; ++i) sum += a[i] * b[i];
  return sum;
}

/// The slope of phi, from phi.
inline float slope(float phi) {
  return phi < 1.0f ? phi : 1.0f;
}

/// Room for at least `size` floats.
float* sized(std::vector<float>& room, int64_t size) {
  if (static_cast<int64_t>(room.size()) < size) room.resize(static_cast<size_t>(size));
  return room.data();
}

/// panels (d,d) = a^T b for a (tokens,d) and b, whose rows are `stride` apart.
void multiplyTransposed(float* panels, const float* a, const float* b, int64_t stride, int64_t tokens, int64_t d) {
  thread_local std::vector<float> left, right;
  float* const strips = sized(left, (d + kStripRows - 1) / kStripRows * kStripRows * tokens);
  float* const rows = sized(right, tokens * d);
  packStrips(strips, a, tokens, d, 0, d);
  packRows(rows, b, stride, tokens, d);
  multiplyPanels({panels, 0, 0, d}, {strips, 0, tokens}, rows, d, d, tokens);
}

void transpose(float* transposed, const float* panels, int64_t d) {
  for (int64_t j = 0; j < d; j += kPanelCols) transposePanel(transposed, panels, d, d, j);
}

/// What all queries of a head of one picture meet: phi(k)^T v, in panels (d,d), and the sum of phi(k) (d).
struct Keys {
  float *kv, *sum;
  Keys(float* memory, int64_t d) : kv(memory), sum(memory + d * d) {}
  static int64_t size(int64_t d) { return d * d + d; }

  /// k and v: rows `stride` apart. phi(k) goes to features (tokens,d).
  void compute(float* features, const float* k, const float* v, int64_t stride, int64_t tokens, int64_t d) const {
    bestAttention().features(features, k, stride, tokens, d);
    std::fill(sum, sum + d, 0.0f);
    for (int64_t t = 0; t < tokens; ++t) {
      for (int64_t i = 0; i < d; ++i) sum[i] += features[t * d + i];
    }
    multiplyTransposed(kv, features, v, stride, tokens, d);
  }
};

/// y (rows of `dim`) for some queries, rows `stride` apart.
void attend(float* y, int64_t dim, const float* q, int64_t stride, int64_t rows, const Keys& keys, int64_t d) {
  thread_local std::vector<float> room;
  float* const features = sized(room, rows * d);
  bestAttention().features(features, q, stride, rows, d);
  for (float* row = features; row < features + rows * d; row += d) {
    const float share = 1.0f / dot(row, keys.sum, d);
    for (int64_t i = 0; i < d; ++i) row[i] *= share;
  }
  multiplyPanels({y, dim}, {features, d, d}, keys.kv, rows, d, d);
}

/// The gradient of one head of one picture; rows of qkv and dqkv are 3 * dim apart, those of dy dim.
///
/// With z = q . sum(k) and u = q (k^T v): y = u / z, du = dy / z, dz = -(dy . u) / z^2 = -(q . du (k^T v)^T) / z, then
/// dq = du (k^T v)^T + dz sum(k), d(k^T v) = q^T du, dk = v d(k^T v)^T + sum(dz q), dv = k d(k^T v).
class HeadGradient {
 public:
  HeadGradient(float* dqkv, const float* dy, const float* qkv, int64_t tokens, int64_t dim, int64_t d)
      : dqkv_(dqkv), dy_(dy), qkv_(qkv), tokens_(tokens), dim_(dim), d_(d) {}

  void compute() {
    thread_local std::vector<float> room;
    const int64_t size = tokens_ * d_, square = d_ * d_;
    q_ = sized(room, 3 * size + Keys::size(d_) + 2 * square + d_);
    k_ = q_ + size;
    du_ = k_ + size;
    const Keys keys(du_ + size, d_);
    dkv_ = du_ + size + Keys::size(d_);
    transposed_ = dkv_ + square;
    dsum_ = transposed_ + square;

    keys.compute(k_, qkv_ + dim_, qkv_ + 2 * dim_, 3 * dim_, tokens_, d_);
    transpose(transposed_, keys.kv, d_);
    std::fill(dsum_, dsum_ + d_, 0.0f);
    // Some rows at a time, which stay in the first-level cache from one step to the next.
    for (int64_t first = 0; first < tokens_; first += kTaskRows) queries(first, rowsFrom(first), keys.sum);
    multiplyTransposed(dkv_, q_, du_, d_, tokens_, d_);
    transpose(transposed_, dkv_, d_);
    for (int64_t first = 0; first < tokens_; first += kTaskRows) keysAndValues(first, rowsFrom(first));
  }

 private:
  int64_t rowsFrom(int64_t first) const { return std::min(kTaskRows, tokens_ - first); }

  /// dq, and what of dsum comes from these rows.
  void queries(int64_t first, int64_t rows, const float* sum) {
    const int64_t stride = 3 * dim_;
    float *const q = q_ + first * d_, *const du = du_ + first * d_, *const dq = dqkv_ + first * stride;
    float shares[kTaskRows];
    bestAttention().features(q, qkv_ + first * stride, stride, rows, d_);
    for (int64_t t = 0; t < rows; ++t) {
      shares[t] = 1.0f / dot(q + t * d_, sum, d_);
      for (int64_t i = 0; i < d_; ++i) du[t * d_ + i] = dy_[(first + t) * dim_ + i] * shares[t];
    }
    multiplyPanels({dq, stride}, {du, d_, d_}, transposed_, rows, d_, d_);
    for (int64_t t = 0; t < rows; ++t) {
      float *const to = dq + t * stride, *const row = q + t * d_;
      const float dz = -dot(row, to, d_) * shares[t];
#pragma omp simd
      for (int64_t i = 0; i < d_; ++i) {
        dsum_[i] += dz * row[i];
        to[i] = (to[i] + dz * sum[i]) * slope(row[i]);
      }
    }
  }

  void keysAndValues(int64_t first, int64_t rows) const {
    const int64_t stride = 3 * dim_;
    float *const dk = dqkv_ + first * stride + dim_, *const dv = dk + dim_;
    const float *const k = k_ + first * d_, *const v = qkv_ + first * stride + 2 * dim_;
    multiplyPanels({dk, stride}, {v, stride, d_}, transposed_, rows, d_, d_);
    for (int64_t t = 0; t < rows; ++t) {
#pragma omp simd
      for (int64_t i = 0; i < d_; ++i) dk[t * stride + i] = (dk[t * stride + i] + dsum_[i]) * slope(k[t * d_ + i]);
    }
    multiplyPanels({dv, stride}, {k, d_, d_}, dkv_, rows, d_, d_);
  }

  float* const dqkv_;
  const float *const dy_, *const qkv_;
  const int64_t tokens_, dim_, d_;
  float *q_ = nullptr, *k_ = nullptr, *du_ = nullptr;  // phi(q), phi(k), du (tokens,d)
  float *dkv_ = nullptr, *transposed_ = nullptr;       // panels (d,d): d(k^T v); first (k^T v)^T, then d(k^T v)^T
  float* dsum_ = nullptr;                              // (d)
};

}  // namespace

void CpuBackend::linearAttention(float* y, const float* qkv, int64_t images, int64_t tokens, int64_t heads,
                                 int64_t headDim) {
  const int64_t dim = heads * headDim, stride = 3 * dim, blocks = (tokens + kTaskRows - 1) / kTaskRows;
  const Buffer memory = allocate(images * heads * Keys::size(headDim));
  const auto keysOf = [&](int64_t i) { return Keys(memory.get() + i * Keys::size(headDim), headDim); };
  const auto queriesOf = [&](int64_t i) { return qkv + i / heads * tokens * stride + i % heads * headDim; };
  threads_.run(images * heads, [&](int64_t i) {
    thread_local std::vector<float> room;
    keysOf(i).compute(sized(room, tokens * headDim), queriesOf(i) + dim, queriesOf(i) + 2 * dim, stride, tokens,
                      headDim);
  });
  threads_.run(images * heads * blocks, [&](int64_t task) {
    const int64_t i = task / blocks, first = task % blocks * kTaskRows, rows = std::min(kTaskRows, tokens - first);
    attend(y + (i / heads * tokens + first) * dim + i % heads * headDim, dim, queriesOf(i) + first * stride, stride,
           rows, keysOf(i), headDim);
  });
}

void CpuBackend::linearAttentionGradient(float* dqkv, const float* dy, const float* qkv, int64_t images, int64_t tokens,
                                         int64_t heads, int64_t headDim) {
  const int64_t dim = heads * headDim;
  threads_.run(images * heads, [&](int64_t i) {
    const int64_t row = i / heads * tokens, column = i % heads * headDim;
    HeadGradient(dqkv + row * 3 * dim + column, dy + row * dim + column, qkv + row * 3 * dim + column, tokens, dim,
                 headDim)
        .compute();
  });
}

}  // namespace dinomaly
