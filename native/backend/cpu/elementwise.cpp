#include <algorithm>
#include <cmath>

#include "backend/cpu/cpu_backend.h"
#include "backend/cpu/philox_lanes.h"
#include "backend/cpu/vector_math.h"
#include "backend/cpu/weighted_sum.h"

namespace dinomaly {
namespace {

constexpr int64_t kBlock = 16384;  // elements that one thread takes at a time

}  // namespace

void CpuBackend::gelu(float* y, const float* x, int64_t size) {
  threads_.runBlocks(size, kBlock, [&](int64_t begin, int64_t end) {
#pragma omp simd
    for (int64_t i = begin; i < end; ++i) y[i] = geluOf(x[i]);
  });
}

void CpuBackend::geluBackward(float* x, float* dy, float* db, int64_t rows, int64_t dim) {
  constexpr int64_t kRows = 256, kColumns = 128;  // whose sums are made while they lie in cache, in the rows' order
  std::fill(db, db + dim, 0.0f);
  for (int64_t first = 0; first < rows; first += kRows) {
    const int64_t count = std::min(kRows, rows - first);
    float *const in = x + first * dim, *const up = dy + first * dim;
    threads_.runBlocks(count * dim, kBlock, [&](int64_t begin, int64_t end) {
#pragma omp simd
      for (int64_t i = begin; i < end; ++i) {
        up[i] *= geluSlope(in[i]);
        in[i] = geluOf(in[i]);
      }
    });
    threads_.runBlocks(dim, kColumns, [&](int64_t begin, int64_t end) {
      for (int64_t r = 0; r < count; ++r) {
#pragma omp simd
        for (int64_t c = begin; c < end; ++c) db[c] += up[r * dim + c];
      }
    });
  }
}

void CpuBackend::dropout(float* y, const float* x, int64_t rows, int64_t dim, const FloatDropout& d) {
  const float keep = 1.0f / (1.0f - d.rate);
  const auto lost = static_cast<int32_t>(std::ceil(d.rate * kUniformSteps));  // uniform() of fewer steps is below rate
  threads_.runBlocks(rows, 8, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      PhiloxLanes numbers(static_cast<uint32_t>(r), d);
      for (int64_t c = 0; c < dim; c += PhiloxLanes::kWords) {
        int32_t steps[PhiloxLanes::kWords];
        numbers.next(steps);
        const int64_t count = std::min(PhiloxLanes::kWords, dim - c);
        const float* in = x + r * dim + c;
        float* out = y + r * dim + c;
#pragma omp simd
        for (int64_t i = 0; i < count; ++i) {
          const float kept = in[i] * keep;  // computed in any case, so that there is no branch
          out[i] = steps[i] >= lost ? kept : 0.0f;
        }
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
