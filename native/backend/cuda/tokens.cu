#include <algorithm>

#include "backend/cuda/tokens.h"

namespace dinomaly::cuda {
namespace {

constexpr unsigned kThreads = 128;
constexpr int kNarrow = 4;               // values of a pack of patchesKernel and embedKernel: 16 bytes of float
constexpr unsigned kPatchThreads = 256;  // of patchesKernel
constexpr int64_t kStagedValues = 4096;  // what a block of patchesKernel makes, about
constexpr int kImages = 4;               // that embedKernel reads a position for

/// x / by, from 1 / by: without the branches of a division, and for a byte and what is made of one with its rounding.
__device__ __forceinline__ float divide(float x, float by, float reciprocal) {
  const float quotient = x * reciprocal;
  return fmaf(fmaf(-by, quotient, x), reciprocal, quotient);
}
__device__ __forceinline__ float normalised(float byte, float mean, float deviation, float reciprocal) {
  return divide(divide(byte, 255.0f, 1.0f / 255.0f) - mean, deviation, reciprocal);
}

struct Pixel {
  float channels[3];
};

/// RGB bytes (B,h,w,3), normalised by ImageNet's means and deviations.
struct Bytes {
  const uint8_t* values;
  int64_t h, w;
  __device__ __forceinline__ Pixel at(int64_t image, int64_t row, int64_t col) const {
    const uint8_t* rgb = values + ((image * h + row) * w + col) * 3;
    const float red = rgb[0], green = rgb[1], blue = rgb[2];
    return {{normalised(red, 0.485f, 0.229f, 1.0f / 0.229f), normalised(green, 0.456f, 0.224f, 1.0f / 0.224f),
             normalised(blue, 0.406f, 0.225f, 1.0f / 0.225f)}};
  }
};

/// Planes (B,3,h,w).
struct Planes {
  const float* values;
  int64_t h, w;
  __device__ __forceinline__ Pixel at(int64_t image, int64_t row, int64_t col) const {
    const float* first = values + (image * 3 * h + row) * w + col;
    return {{first[0], first[h * w], first[2 * h * w]}};
  }
};

// y (B, rows, cols, 3*p*p) from pixels. A block makes up to `most` neighbouring patches of one row of patches: a warp
// reads a row of pixels, neighbours side by side, and puts them where they belong in shared memory (most * 3*p*p of T),
// which then goes out in one piece, kCount values at a time; blockIdx.x counts parts of a row of patches, then these
// rows, then images. Reads each pixel and writes each value once, both coalesced, which no single pass could.
template <int kCount, typename T, typename Source>
__global__ void __launch_bounds__(kPatchThreads)
    patchesKernel(T* y, Source source, unsigned rows, unsigned cols, unsigned p, unsigned most, unsigned parts) {
  T* staged = sharedMemory<T>();
  const unsigned strip = blockIdx.x / parts, firstPatch = blockIdx.x % parts * most;
  const unsigned patches = min(most, cols - firstPatch), area = p * p;
  const int64_t image = strip / rows, top = int64_t{strip % rows} * p, left = int64_t{firstPatch} * p;
  for (unsigned dy = threadIdx.x / kWarp; dy < p; dy += kPatchThreads / kWarp) {
    for (unsigned x = threadIdx.x % kWarp; x < patches * p; x += kWarp) {
      const Pixel pixel = source.at(image, top + dy, left + x);
      T* to = staged + x / p * 3 * area + dy * p + x % p;
#pragma unroll
      for (int c = 0; c < 3; ++c) to[c * area] = fromFloat<T>(pixel.channels[c]);
    }
  }
  __syncthreads();
  auto* out = reinterpret_cast<Pack<T, kCount>*>(y + (int64_t{strip} * cols + firstPatch) * 3 * area);
  const auto* in = reinterpret_cast<const Pack<T, kCount>*>(staged);
#pragma unroll 2  // more would need more registers than there are for full multiprocessors
  for (unsigned i = threadIdx.x; i < patches * 3 * area / kCount; i += kPatchThreads) out[i] = in[i];
}

/// kCount floats from `begin` on, kCount 1 or 4.
template <int kCount>
__device__ __forceinline__ Pack<float, kCount> floatsAt(const float* x, int64_t begin) {
  return *reinterpret_cast<const Pack<float, kCount>*>(x + begin);
}

// y (B,N,D) from patches (B,P,D). A block makes one token of kImages images, so that each position is read once for
// all of these; blockIdx.x counts tokens, then groups of images. A thread takes kCount channels at a time. Reads
// B * P * D and writes B * N * D floats once; positions (1+P,D) B / kImages times, from the second-level cache but for
// the first.
template <int kCount>
__global__ void __launch_bounds__(kThreads)
    embedKernel(float* __restrict__ y, const float* __restrict__ patches, const float* __restrict__ cls,
                const float* __restrict__ registers, const float* __restrict__ positions, int64_t images,
                unsigned patchCount, unsigned registerCount, int64_t dim) {
  const unsigned tokens = 1 + registerCount + patchCount, token = blockIdx.x % tokens;
  const int64_t firstImage = int64_t{blockIdx.x / tokens} * kImages;
  const bool isPatch = token > registerCount;
  const int64_t patch = isPatch ? token - registerCount - 1 : 0;
  for (int64_t c = threadIdx.x * int64_t{kCount}; c < dim; c += kThreads * kCount) {
    Pack<float, kCount> in[kImages];
    if (isPatch) {
#pragma unroll
      for (int k = 0; k < kImages; ++k) {  // the last image again, in vain, rather than a branch between loads
        const int64_t image = min(firstImage + k, images - 1);
        in[k] = floatsAt<kCount>(patches, (image * patchCount + patch) * dim + c);
      }
    }
    Pack<float, kCount> base;
    if (isPatch) {
      base = floatsAt<kCount>(positions, (1 + patch) * dim + c);
    } else if (token > 0) {
      base = floatsAt<kCount>(registers, (token - 1) * dim + c);
    } else {
      base = floatsAt<kCount>(positions, c);
      const Pack<float, kCount> first = floatsAt<kCount>(cls, c);
#pragma unroll
      for (int i = 0; i < kCount; ++i) base.values[i] += first.values[i];
    }
#pragma unroll
    for (int k = 0; k < kImages; ++k) {
      if (firstImage + k >= images) break;
      Pack<float, kCount> out;
#pragma unroll
      for (int i = 0; i < kCount; ++i) out.values[i] = isPatch ? in[k].values[i] + base.values[i] : base.values[i];
      *reinterpret_cast<Pack<float, kCount>*>(y + ((firstImage + k) * tokens + token) * dim + c) = out;
    }
  }
}

template <typename T, typename Source>
void patchesFrom(Stream stream, T* y, Source source, int64_t images, int64_t p) {
  const int64_t rows = source.h / p, cols = source.w / p, size = 3 * p * p;
  if (images * rows * cols == 0) return;
  const int64_t most = std::min(cols, std::max(int64_t{1}, kStagedValues / size));
  const unsigned parts = blocksOf(cols, most);
  const bool packed = size % kNarrow == 0 && onBoundary<kNarrow>(y);
  launch(stream, packed ? patchesKernel<kNarrow, T, Source> : patchesKernel<1, T, Source>,
         blocksOf(images * rows * parts, 1), kPatchThreads, static_cast<size_t>(most * size) * sizeof(T), y, source,
         static_cast<unsigned>(rows), static_cast<unsigned>(cols), static_cast<unsigned>(p),
         static_cast<unsigned>(most), parts);
}

}  // namespace

template <typename T>
void patchesFromPixels(Stream stream, T* y, const uint8_t* pixels, int64_t images, int64_t h, int64_t w, int64_t p) {
  patchesFrom(stream, y, Bytes{pixels, h, w}, images, p);
}

template <typename T>
void patchesFromTensor(Stream stream, T* y, const float* x, int64_t images, int64_t h, int64_t w, int64_t p) {
  patchesFrom(stream, y, Planes{x, h, w}, images, p);
}

void embed(Stream stream, float* y, const float* patches, const float* cls, const float* registers,
           const float* positions, int64_t images, int64_t patchCount, int64_t registerCount, int64_t dim) {
  constexpr int kCount = kNarrow;
  if (images * dim == 0) return;
  const bool packed = dim % kCount == 0 && onBoundary<kCount>(y) && onBoundary<kCount>(patches) &&
                      onBoundary<kCount>(cls) && onBoundary<kCount>(registers) && onBoundary<kCount>(positions);
  const int64_t tokens = 1 + registerCount + patchCount;
  launch(stream, packed ? embedKernel<kCount> : embedKernel<1>, blocksOf(blocksOf(images, kImages) * tokens, 1),
         kThreads, 0, y, patches, cls, registers, positions, images, static_cast<unsigned>(patchCount),
         static_cast<unsigned>(registerCount), dim);
}

template <typename T>
void takePatches(Stream stream, T* y, std::vector<Term<T>> tokens, int64_t images, int64_t tokenCount,
                 int64_t patchCount, int64_t dim) {
  for (Term<T>& term : tokens) term.x += (tokenCount - patchCount) * dim;
  weightedSum(stream, y, patchCount * dim, tokens, images, patchCount * dim);
}

template <typename T>
void putPatches(Stream stream, T* dtokens, const T* dpatches, float a, int64_t images, int64_t tokenCount,
                int64_t patchCount, int64_t dim) {
  const int64_t stride = tokenCount * dim, size = patchCount * dim;
  T* const y = dtokens + (tokenCount - patchCount) * dim;
  weightedSum<T>(stream, y, stride, {{y, 1.0f, stride}, {dpatches, a, size}}, images, size);
}

template void patchesFromPixels(Stream, float*, const uint8_t*, int64_t, int64_t, int64_t, int64_t);
template void patchesFromPixels(Stream, bf16*, const uint8_t*, int64_t, int64_t, int64_t, int64_t);
template void patchesFromTensor(Stream, float*, const float*, int64_t, int64_t, int64_t, int64_t);
template void patchesFromTensor(Stream, bf16*, const float*, int64_t, int64_t, int64_t, int64_t);
template void takePatches(Stream, float*, std::vector<Term<float>>, int64_t, int64_t, int64_t, int64_t);
template void takePatches(Stream, bf16*, std::vector<Term<bf16>>, int64_t, int64_t, int64_t, int64_t);
template void putPatches(Stream, float*, const float*, float, int64_t, int64_t, int64_t, int64_t);
template void putPatches(Stream, bf16*, const bf16*, float, int64_t, int64_t, int64_t, int64_t);

}  // namespace dinomaly::cuda
