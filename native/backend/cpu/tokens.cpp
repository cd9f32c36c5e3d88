#include <cstring>

#include "backend/cpu/cpu_backend.h"
#include "backend/cpu/weighted_sum.h"

namespace dinomaly {
namespace {

constexpr float kMean[3] = {0.485f, 0.456f, 0.406f}, kStd[3] = {0.229f, 0.224f, 0.225f};  // ImageNet's

/// y (B*P, 3*p*p) from read(image, channel, row, column).
template <typename Read>
void patches(ThreadPool& threads, float* y, int64_t images, int64_t h, int64_t w, int64_t p, const Read& read) {
  const int64_t rows = h / p, cols = w / p;
  threads.run(images * rows, [&](int64_t i) {
    const int64_t image = i / rows, row = i % rows;
    for (int64_t col = 0; col < cols; ++col) {
      float* out = y + ((image * rows + row) * cols + col) * 3 * p * p;
      for (int64_t c = 0; c < 3; ++c) {
        for (int64_t dy = 0; dy < p; ++dy) {
          for (int64_t dx = 0; dx < p; ++dx) *out++ = read(image, c, row * p + dy, col * p + dx);
        }
      }
    }
  });
}

}  // namespace

void CpuBackend::patchesFromPixels(float* y, const uint8_t* pixels, int64_t images, int64_t h, int64_t w, int64_t p) {
  float table[3][256];  // the same roundings as (x / 255 - mean) / std on a tensor
  for (int c = 0; c < 3; ++c) {
    for (int v = 0; v < 256; ++v) table[c][v] = (static_cast<float>(v) / 255.0f - kMean[c]) / kStd[c];
  }
  patches(threads_, y, images, h, w, p, [&](int64_t image, int64_t c, int64_t row, int64_t col) {
    return table[c][pixels[((image * h + row) * w + col) * 3 + c]];
  });
}

void CpuBackend::patchesFromTensor(float* y, const float* x, int64_t images, int64_t h, int64_t w, int64_t p) {
  patches(threads_, y, images, h, w, p,
          [&](int64_t image, int64_t c, int64_t row, int64_t col) { return x[((image * 3 + c) * h + row) * w + col]; });
}

void CpuBackend::embed(float* y, const float* patches, const float* cls, const float* registers, const float* positions,
                       int64_t images, int64_t patchCount, int64_t registerCount, int64_t dim) {
  const int64_t tokens = 1 + registerCount + patchCount;
  threads_.run(images, [&](int64_t b) {
    float* out = y + b * tokens * dim;
    for (int64_t c = 0; c < dim; ++c) out[c] = cls[c] + positions[c];
    if (registerCount) std::memcpy(out + dim, registers, static_cast<size_t>(registerCount * dim) * sizeof(float));
    out += (1 + registerCount) * dim;
    const float *in = patches + b * patchCount * dim, *at = positions + dim;
    for (int64_t i = 0; i < patchCount * dim; ++i) out[i] = in[i] + at[i];
  });
}

void CpuBackend::takePatches(float* y, const float* const* tokens, const float* weights, int64_t count, int64_t images,
                             int64_t tokenCount, int64_t patchCount, int64_t dim) {
  constexpr int64_t kRows = 16;  // that a thread takes at a time
  threads_.runBlocks(images * patchCount, kRows, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const int64_t image = row / patchCount, patch = row % patchCount;
      const int64_t token = image * tokenCount + tokenCount - patchCount + patch;
      addWeighted(y + row * dim, tokens, token * dim, weights, count, dim);
    }
  });
}

void CpuBackend::putPatches(float* dtokens, const float* dpatches, float a, int64_t images, int64_t tokenCount,
                            int64_t patchCount, int64_t dim) {
  threads_.run(images, [&](int64_t b) {
    const float* in = dpatches + b * patchCount * dim;
    float* out = dtokens + (b * tokenCount + tokenCount - patchCount) * dim;
    for (int64_t i = 0; i < patchCount * dim; ++i) out[i] += a * in[i];
  });
}

}  // namespace dinomaly
