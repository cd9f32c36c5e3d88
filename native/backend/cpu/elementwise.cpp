#include <algorithm>

#include "backend/cpu/cpu_backend.h"
#include "backend/cpu/vector_math.h"
#include "backend/cpu/weighted_sum.h"
#include "core/philox.h"

namespace dinomaly {
namespace {

constexpr int64_t kBlock = 16384;  // elements that one thread takes at a time
constexpr int64_t kLanes = 8;

/// philox() of kLanes counters side by side, {first + lane, row, iteration, place}, for the compiler to vectorise:
/// words[4 * lane + i] is word i.
void philoxLanes(uint32_t* words, uint32_t first, uint32_t row, const FloatDropout& d) {
  uint32_t x0[kLanes], x1[kLanes], x2[kLanes], x3[kLanes];
  auto key0 = static_cast<uint32_t>(d.seed), key1 = static_cast<uint32_t>(d.seed >> 32);
  for (uint32_t lane = 0; lane < kLanes; ++lane) {
    x0[lane] = first + lane;
    x1[lane] = row;
    x2[lane] = d.iteration;
    x3[lane] = d.place;
  }
  for (int round = 0; round < kPhiloxRounds; ++round, key0 += kPhiloxKeyStep0, key1 += kPhiloxKeyStep1) {
#pragma omp simd
    for (int64_t lane = 0; lane < kLanes; ++lane) philoxRound(x0[lane], x1[lane], x2[lane], x3[lane], key0, key1);
  }
  for (int64_t lane = 0; lane < kLanes; ++lane) {
    words[4 * lane] = x0[lane];
    words[4 * lane + 1] = x1[lane];
    words[4 * lane + 2] = x2[lane];
    words[4 * lane + 3] = x3[lane];
  }
}

}  // namespace

void CpuBackend::gelu(float* y, const float* x, int64_t size) {
  threads_.runBlocks(size, kBlock, [&](int64_t begin, int64_t end) {
#pragma omp simd
    for (int64_t i = begin; i < end; ++i) y[i] = geluOf(x[i]);
  });
}

void CpuBackend::geluGradient(float* dx, const float* dy, const float* x, int64_t size) {
  threads_.runBlocks(size, kBlock, [&](int64_t begin, int64_t end) {
#pragma omp simd
    for (int64_t i = begin; i < end; ++i) dx[i] = dy[i] * geluSlope(x[i]);
  });
}

void CpuBackend::dropout(float* y, const float* x, int64_t rows, int64_t dim, const FloatDropout& d) {
  const float keep = 1.0f / (1.0f - d.rate);
  threads_.runBlocks(rows, 8, [&](int64_t begin, int64_t end) {
    uint32_t words[4 * kLanes];
    for (int64_t r = begin; r < end; ++r) {
      for (int64_t c = 0; c < dim; c += 4 * kLanes) {
        philoxLanes(words, static_cast<uint32_t>(c / 4), static_cast<uint32_t>(r), d);
        const int64_t count = std::min(4 * kLanes, dim - c);
        const float* in = x + r * dim + c;
        float* out = y + r * dim + c;
#pragma omp simd
        for (int64_t i = 0; i < count; ++i) out[i] = uniform(words[i]) >= d.rate ? in[i] * keep : 0.0f;
      }
    }
  });
}

void CpuBackend::weightedSum(float* y, const float* const* xs, const float* weights, int64_t count, int64_t size) {
  constexpr int64_t kInCache = 2048;  // of y, while the tensors are added to it
  threads_.runBlocks(size, kInCache, [&](int64_t begin, int64_t end) {
    addWeighted(y + begin, xs, begin, weights, count, end - begin);
  });
}

}  // namespace dinomaly
