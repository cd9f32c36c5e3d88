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

/// What a step multiplies by.
struct Factors {
  explicit Factors(const OptimizerStep& s)
      : beta1(static_cast<float>(s.beta1)),
        rest1(static_cast<float>(1 - s.beta1)),
        beta2(static_cast<float>(s.beta2)),
        rest2(static_cast<float>(1 - s.beta2)),
        correction(static_cast<float>(1 / std::sqrt(1 - std::pow(s.beta2, static_cast<double>(s.t))))),
        eps(static_cast<float>(s.eps)),
        clip(static_cast<float>(s.gradientScale)) {}
  float beta1, rest1, beta2, rest2, correction, eps, clip;
};

// The loops stand alone, all they need by value: in a lambda a compiler would expect each store to change what it
// captured, and write no vectors.

float sumOfSquares(const float* x, int64_t size) {
  float sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t i = 0; i < size; ++i) sum += x[i] * x[i];
  return sum;
}

/// Returns the sum of squares of gradient / sqrt(vmax), whose mean holds the rate back where it is above 1.
float updateMoments(float* m, float* v, float* vmax, const float* g, int64_t size, Factors f) {
  float sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t i = 0; i < size; ++i) {
    const float gradient = g[i] * f.clip, second = f.beta2 * v[i] + f.rest2 * gradient * gradient;
    const float most = vmax[i] < second ? second : vmax[i];
    m[i] = f.beta1 * m[i] + f.rest1 * gradient;
    v[i] = second;
    vmax[i] = most;
    const float ratio = gradient / (std::sqrt(most) * f.correction + f.eps);
    sum += ratio * ratio;
  }
  return sum;
}

void updateParameters(float* p, const float* m, const float* vmax, int64_t size, float rate, float decay, Factors f) {
#pragma omp simd
  for (int64_t i = 0; i < size; ++i) p[i] = p[i] * decay - rate * m[i] / (std::sqrt(vmax[i]) * f.correction + f.eps);
}

}  // namespace

double CpuBackend::squaredNorm(const float* x, int64_t size) {
  return sumOfChunks(threads_, size, [&](int64_t begin, int64_t end) { return sumOfSquares(x + begin, end - begin); });
}

void CpuBackend::stableAdamW(float* p, float* m, float* v, float* vmax, const float* g, int64_t size,
                             const OptimizerStep& s) {
  if (bytes_) bytes_->drop(p);
  const auto t = static_cast<double>(s.t);
  const Factors factors(s);
  const double squares = sumOfChunks(threads_, size, [&](int64_t begin, int64_t end) {
    return updateMoments(m + begin, v + begin, vmax + begin, g + begin, end - begin, factors);
  });
  const double rms = std::sqrt(squares / static_cast<double>(size));
  const auto rate = static_cast<float>(s.learningRate / (1 - std::pow(s.beta1, t)) / std::max(1.0, rms));
  const auto decay = static_cast<float>(1 - s.learningRate * s.weightDecay);
  threads_.runBlocks(size, kBlock, [&](int64_t begin, int64_t end) {
    updateParameters(p + begin, m + begin, vmax + begin, end - begin, rate, decay, factors);
  });
}

}  // namespace dinomaly
