#include <algorithm>
#include <cmath>
#include <vector>

#include "backend/cpu/cpu_backend.h"

namespace dinomaly {
namespace {

constexpr double kEps = 1e-8;             // torch's cosine_similarity clamps each norm with it
constexpr float kEasyPointFactor = 0.1f;  // what is left of the gradient of a well restored point (released code)

struct Products {
  double ed = 0, ee = 0, dd = 0;
  double norms() const { return std::max(std::sqrt(ee), kEps) * std::max(std::sqrt(dd), kEps); }
  double cosine() const { return ed / norms(); }
};

Products products(const float* e, const float* d, int64_t dim) {
  float ed = 0, ee = 0, dd = 0;
#pragma omp simd reduction(+ : ed, ee, dd)
  for (int64_t i = 0; i < dim; ++i) {
    ed += e[i] * d[i];
    ee += e[i] * e[i];
    dd += d[i] * d[i];
  }
  return {ed, ee, dd};
}

}  // namespace

void CpuBackend::cosineDistance(float* distance, const float* e, const float* d, int64_t rows, int64_t dim) {
  threads_.runBlocks(rows, 64, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      distance[r] = static_cast<float>(1.0 - products(e + r * dim, d + r * dim, dim).cosine());
    }
  });
}

double CpuBackend::looseLoss(float* dd, const float* e, const float* d, int64_t images, int64_t patches, int64_t dim,
                             int64_t k, float weight) {
  std::vector<Products> wholes(static_cast<size_t>(images));
  std::vector<float> distance(static_cast<size_t>(images * patches));
  threads_.run(images, [&](int64_t b) {
    Products& whole = wholes[static_cast<size_t>(b)];
    for (int64_t r = b * patches; r < (b + 1) * patches; ++r) {
      const Products patch = products(e + r * dim, d + r * dim, dim);
      distance[static_cast<size_t>(r)] = static_cast<float>(1.0 - patch.cosine());
      whole.ed += patch.ed;
      whole.ee += patch.ee;
      whole.dd += patch.dd;
    }
  });
  double loss = 0;
  for (const Products& whole : wholes) loss += (1.0 - whole.cosine()) / static_cast<double>(images);
  if (!std::isfinite(loss)) return loss;  // and nothing to sort by

  std::vector<float> sorted = distance;
  const auto falling = [](float a, float b) { return a > b; };  // with std::greater other files would share the code
  std::nth_element(sorted.begin(), sorted.begin() + (k - 1), sorted.end(), falling);
  const float threshold = sorted[static_cast<size_t>(k - 1)];

  threads_.run(images, [&](int64_t b) {
    // d(1 - cos)/dd = -(e / (|e| |d|) - cos * d / |d|^2)
    const Products& whole = wholes[static_cast<size_t>(b)];
    const double share = weight / static_cast<double>(images);
    const auto ofE = static_cast<float>(-share / whole.norms());
    const auto ofD = static_cast<float>(share * whole.cosine() / std::max(whole.dd, kEps * kEps));
    for (int64_t r = b * patches; r < (b + 1) * patches; ++r) {
      const float factor = distance[static_cast<size_t>(r)] < threshold ? kEasyPointFactor : 1.0f;
#pragma omp simd
      for (int64_t i = r * dim; i < (r + 1) * dim; ++i) dd[i] = factor * (ofE * e[i] + ofD * d[i]);
    }
  });
  return loss;
}

}  // namespace dinomaly
