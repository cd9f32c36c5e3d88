#include <algorithm>
#include <cmath>
#include <vector>

#include "backend/cpu/cpu_backend.h"

namespace dinomaly {
namespace {

constexpr int64_t kBlock = 16384;
constexpr int64_t kChunk = 256;  // squares are summed in float over this many, in double beyond

/// Sums body(begin, end) over fixed chunks, in their order.
template <typename Body>
double sumOfChunks(ThreadPool& threads, int64_t size, const Body& body) {
  std::vector<double> parts(static_cast<size_t>((size + kBlock - 1) / kBlock));
  threads.runBlocks(size, kBlock, [&](int64_t begin, int64_t end) {
    double part = 0;
    for (int64_t i = begin; i < end; i += kChunk) part += static_cast<double>(body(i, std::min(i + kChunk, end)));
    parts[static_cast<size_t>(begin / kBlock)] = part;
  });
  double sum = 0;
  for (double part : parts) sum += part;
  return sum;
}

}  // namespace

double CpuBackend::squaredNorm(const float* x, int64_t size) {
  return sumOfChunks(threads_, size, [&](int64_t begin, int64_t end) {
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t i = begin; i < end; ++i) sum += x[i] * x[i];
    return sum;
  });
}

void CpuBackend::stableAdamW(float* p, float* m, float* v, float* vmax, const float* g, int64_t size,
                             const OptimizerStep& s) {
  if (bytes_) bytes_->drop(p);
  const auto t = static_cast<double>(s.t);
  const auto beta1 = static_cast<float>(s.beta1), beta2 = static_cast<float>(s.beta2);
  const auto rest1 = static_cast<float>(1 - s.beta1), rest2 = static_cast<float>(1 - s.beta2);
  const auto correction = static_cast<float>(1 / std::sqrt(1 - std::pow(s.beta2, t)));
  const auto eps = static_cast<float>(s.eps), clip = static_cast<float>(s.gradientScale);
  const double squares = sumOfChunks(threads_, size, [&](int64_t begin, int64_t end) {
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t i = begin; i < end; ++i) {
      const float gradient = g[i] * clip;
      m[i] = beta1 * m[i] + rest1 * gradient;
      v[i] = beta2 * v[i] + rest2 * gradient * gradient;
      vmax[i] = std::max(vmax[i], v[i]);
      const float ratio = gradient / (std::sqrt(vmax[i]) * correction + eps);
      sum += ratio * ratio;
    }
    return sum;
  });
  const double rms = std::sqrt(squares / static_cast<double>(size));
  const auto rate = static_cast<float>(s.learningRate / (1 - std::pow(s.beta1, t)) / std::max(1.0, rms));
  const auto decay = static_cast<float>(1 - s.learningRate * s.weightDecay);
  threads_.runBlocks(size, kBlock, [&](int64_t begin, int64_t end) {
#pragma omp simd
    for (int64_t i = begin; i < end; ++i) {
      p[i] = p[i] * decay - rate * m[i] / (std::sqrt(vmax[i]) * correction + eps);
    }
  });
}

}  // namespace dinomaly
