#include "backend/cpu/cpu_backend.h"
#include "backend/cpu/parallel.h"
#include "backend/cpu/vector_math.h"
#include "core/philox.h"

namespace dinomaly {
namespace {

constexpr int64_t kBlock = 16384;  // elements that one thread takes at a time

}  // namespace

void CpuBackend::gelu(float* y, const float* x, int64_t size) {
  parallelBlocks(size, kBlock, [&](int64_t begin, int64_t end) {
#pragma omp simd
    for (int64_t i = begin; i < end; ++i) y[i] = geluOf(x[i]);
  });
}

void CpuBackend::geluGradient(float* dx, const float* dy, const float* x, int64_t size) {
  parallelBlocks(size, kBlock, [&](int64_t begin, int64_t end) {
#pragma omp simd
    for (int64_t i = begin; i < end; ++i) dx[i] = dy[i] * geluSlope(x[i]);
  });
}

void CpuBackend::dropout(float* y, const float* x, int64_t rows, int64_t dim, const Dropout& d) {
  const float keep = 1.0f / (1.0f - d.rate);
  const auto key0 = static_cast<uint32_t>(d.seed), key1 = static_cast<uint32_t>(d.seed >> 32);
  parallelBlocks(rows, 8, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      for (int64_t c = 0; c < dim; c += 4) {
        const Philox4 words =
            philox({static_cast<uint32_t>(c / 4), static_cast<uint32_t>(r), d.iteration, d.place}, key0, key1);
        for (int64_t i = 0; i < 4 && c + i < dim; ++i) {
          const int64_t at = r * dim + c + i;
          y[at] = uniform(words[static_cast<size_t>(i)]) >= d.rate ? x[at] * keep : 0.0f;
        }
      }
    }
  });
}

void CpuBackend::addScaled(float* y, const float* x, float a, int64_t size) {
  parallelBlocks(size, kBlock, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) y[i] += a * x[i];
  });
}

}  // namespace dinomaly
