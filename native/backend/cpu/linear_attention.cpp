#include <vector>

#include "backend/cpu/cpu_backend.h"
#include "backend/cpu/matmul.h"
#include "backend/cpu/vector_math.h"

namespace dinomaly {
namespace {

inline float phi(float x) {
  return x > 0 ? x + 1.0f : vectorExp(x);
}
inline float phiSlope(float x) {
  return x > 0 ? 1.0f : vectorExp(x);
}

/// One head of one picture: phi(q), phi(k) (tokens, d), phi(k)^T v (d, d), sum of phi(k) (d), and per token
/// 1 / (phi(q) . sum).
struct Head {
  std::vector<float> q, k, kv, sum, share;

  void compute(const float* qkv, int64_t tokens, int64_t dim, int64_t d) {
    q.resize(static_cast<size_t>(tokens * d));
    k.resize(q.size());
    kv.resize(static_cast<size_t>(d * d));
    sum.assign(static_cast<size_t>(d), 0.0f);
    share.resize(static_cast<size_t>(tokens));
    for (int64_t t = 0; t < tokens; ++t) {
      const float* in = qkv + t * 3 * dim;
#pragma omp simd
      for (int64_t i = 0; i < d; ++i) {
        q[static_cast<size_t>(t * d + i)] = phi(in[i]);
        k[static_cast<size_t>(t * d + i)] = phi(in[dim + i]);
        sum[static_cast<size_t>(i)] += k[static_cast<size_t>(t * d + i)];
      }
    }
    for (int64_t t = 0; t < tokens; ++t) {
      float dot = 0;
#pragma omp simd reduction(+ : dot)
      for (int64_t i = 0; i < d; ++i) dot += q[static_cast<size_t>(t * d + i)] * sum[static_cast<size_t>(i)];
      share[static_cast<size_t>(t)] = 1.0f / dot;
    }
    multiply(kv.data(), d, {k.data(), d, true}, {qkv + 2 * dim, 3 * dim}, d, d, tokens);
  }
};

}  // namespace

void CpuBackend::linearAttention(float* y, const float* qkv, int64_t images, int64_t tokens, int64_t heads,
                                 int64_t headDim) {
  const int64_t dim = heads * headDim, d = headDim;
  threads_.run(images * heads, [&](int64_t task) {
    const int64_t first = task / heads * tokens, head = task % heads;
    thread_local Head h;
    h.compute(qkv + first * 3 * dim + head * d, tokens, dim, d);
    float* out = y + first * dim + head * d;
    multiply(out, dim, {h.q.data(), d}, {h.kv.data(), d}, tokens, d, d);
    for (int64_t t = 0; t < tokens; ++t) {
      for (int64_t i = 0; i < d; ++i) out[t * dim + i] *= h.share[static_cast<size_t>(t)];
    }
  });
}

void CpuBackend::linearAttentionGradient(float* dqkv, const float* dy, const float* qkv, int64_t images, int64_t tokens,
                                         int64_t heads, int64_t headDim) {
  // With z = q . sum(k) and u = q (k^T v): y = u / z, du = dy / z, dz = -(dy . u) / z^2, then
  // dq = du (k^T v)^T + dz sum(k), d(k^T v) = q^T du, dk = v d(k^T v)^T + sum(dz q), dv = k d(k^T v).
  const int64_t dim = heads * headDim, d = headDim;
  threads_.run(images * heads, [&](int64_t task) {
    const int64_t first = task / heads * tokens, head = task % heads;
    const float* in = qkv + first * 3 * dim + head * d;
    const float* up = dy + first * dim + head * d;
    float* out = dqkv + first * 3 * dim + head * d;
    thread_local Head h;
    thread_local std::vector<float> u, du, dkv, dsum;
    h.compute(in, tokens, dim, d);
    u.resize(h.q.size());
    du.resize(h.q.size());
    dkv.resize(h.kv.size());
    dsum.assign(static_cast<size_t>(d), 0.0f);
    multiply(u.data(), d, {h.q.data(), d}, {h.kv.data(), d}, tokens, d, d);
    for (int64_t t = 0; t < tokens; ++t) {
      const float share = h.share[static_cast<size_t>(t)];
      float dot = 0;
#pragma omp simd reduction(+ : dot)
      for (int64_t i = 0; i < d; ++i) {
        dot += up[t * dim + i] * u[static_cast<size_t>(t * d + i)];
        du[static_cast<size_t>(t * d + i)] = up[t * dim + i] * share;
      }
      const float dz = -dot * share * share;
#pragma omp simd
      for (int64_t i = 0; i < d; ++i) dsum[static_cast<size_t>(i)] += dz * h.q[static_cast<size_t>(t * d + i)];
      h.share[static_cast<size_t>(t)] = dz;
    }
    multiply(dkv.data(), d, {h.q.data(), d, true}, {du.data(), d}, d, d, tokens);
    multiply(out, 3 * dim, {du.data(), d}, {h.kv.data(), d, true}, tokens, d, d);
    multiply(out + dim, 3 * dim, {in + 2 * dim, 3 * dim}, {dkv.data(), d, true}, tokens, d, d);
    multiply(out + 2 * dim, 3 * dim, {h.k.data(), d}, {dkv.data(), d}, tokens, d, d);
    for (int64_t t = 0; t < tokens; ++t) {
      float* dq = out + t * 3 * dim;
      const float *x = in + t * 3 * dim, dz = h.share[static_cast<size_t>(t)];
#pragma omp simd
      for (int64_t i = 0; i < d; ++i) {
        dq[i] = (dq[i] + dz * h.sum[static_cast<size_t>(i)]) * phiSlope(x[i]);
        dq[dim + i] = (dq[dim + i] + dsum[static_cast<size_t>(i)]) * phiSlope(x[dim + i]);
      }
    }
  });
}

}  // namespace dinomaly
