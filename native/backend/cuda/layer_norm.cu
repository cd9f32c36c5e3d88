#include <algorithm>
#include <initializer_list>

#include "backend/cuda/column_sums.h"
#include "backend/cuda/layer_norm.h"

namespace dinomaly::cuda {
namespace {

constexpr unsigned kRowThreads = 128;  // forward and dx: a warp a row, four rows a block
constexpr int64_t kHeld = 1024;        // values of a row, at most, that a warp holds in registers: 32 a lane

/// A lane's part of a row that a warp holds: packs of 16 bytes, neighbouring lanes' being neighbours.
template <typename T>
constexpr int kPacks = kHeld / kWarp / kPackSize<T>;
template <typename T>
using Packs = Pack<T, kPackSize<T>>[kPacks<T>];

/// Calls use(p, i) for each of this lane's packs that a row of `dim` has: p of `Packs`, i the first element.
template <typename T, typename Use>
__device__ __forceinline__ void forEachPack(int64_t dim, const Use& use) {
#pragma unroll
  for (int p = 0; p < kPacks<T>; ++p) {
    const unsigned i = (p * kWarp + threadIdx.x % kWarp) * kPackSize<T>;
    if (i < dim) use(p, i);
  }
}

template <typename T>
__device__ __forceinline__ void loadPacks(Packs<T>& packs, const T* row, int64_t dim) {
  forEachPack<T>(dim, [&](int p, unsigned i) { packs[p] = *reinterpret_cast<const Pack<T, kPackSize<T>>*>(row + i); });
}

/// kCount floats, four to a load.
template <int kCount>
__device__ __forceinline__ void loadFloats(float (&values)[kCount], const float* from) {
  constexpr int kEach = kPackSize<float>;
#pragma unroll
  for (int i = 0; i < kCount; i += kEach) {
    const auto pack = *reinterpret_cast<const Pack<float, kEach>*>(from + i);
#pragma unroll
    for (int j = 0; j < kEach; ++j) values[i + j] = pack.values[j];
  }
}

// A warp a row, which it reads once, 16 bytes a load, and holds in registers. Reads rows * dim of T and writes as much:
// bound by memory alone. dim floats of weight and bias stay in cache.
template <typename T>
__global__ void __launch_bounds__(kRowThreads)
    heldLayerNormKernel(T* y, float* mean, float* rstd, const T* x, const float* weight, const float* bias,
                        int64_t rows, int64_t dim, float eps) {
  constexpr int kCount = kPackSize<T>;
  const int64_t row = blockIdx.x * int64_t{kRowThreads / kWarp} + threadIdx.x / kWarp;
  if (row >= rows) return;  // the whole warp
  T* const out = y + row * dim;
  Packs<T> in = {};
  loadPacks<T>(in, x + row * dim, dim);
  float sum = 0;
  forEachPack<T>(dim, [&](int p, unsigned) {
#pragma unroll
    for (int j = 0; j < kCount; ++j) sum += toFloat(in[p].values[j]);
  });
  const float centre = sumOfLanes(sum) / static_cast<float>(dim);
  float squares = 0;
  forEachPack<T>(dim, [&](int p, unsigned) {
#pragma unroll
    for (int j = 0; j < kCount; ++j) {
      const float v = toFloat(in[p].values[j]) - centre;
      squares += v * v;
    }
  });
  const float scale = 1.0f / sqrtf(sumOfLanes(squares) / static_cast<float>(dim) + eps);
  forEachPack<T>(dim, [&](int p, unsigned i) {
    float w[kCount], b[kCount];
    loadFloats(w, weight + i);
    loadFloats(b, bias + i);
    Pack<T, kCount> result;
#pragma unroll
    for (int j = 0; j < kCount; ++j) {
      result.values[j] = fromFloat<T>((toFloat(in[p].values[j]) - centre) * scale * w[j] + b[j]);
    }
    *reinterpret_cast<Pack<T, kCount>*>(out + i) = result;
  });
  if (mean && threadIdx.x % kWarp == 0) {
    mean[row] = centre;
    rstd[row] = scale;
  }
}

// The same for rows that are longer or do not begin on a pack's boundary: they are read three times, twice of them from
// the first-level cache.
template <typename T>
__global__ void __launch_bounds__(kRowThreads)
    layerNormKernel(T* y, float* mean, float* rstd, const T* x, const float* weight, const float* bias, int64_t rows,
                    int64_t dim, float eps) {
  const int64_t row = blockIdx.x * int64_t{kRowThreads / kWarp} + threadIdx.x / kWarp;
  if (row >= rows) return;  // the whole warp
  const unsigned lane = threadIdx.x % kWarp;
  const T* in = x + row * dim;
  T* out = y + row * dim;
  float sum = 0;
  for (int64_t i = lane; i < dim; i += kWarp) sum += toFloat(in[i]);
  const float centre = sumOfLanes(sum) / static_cast<float>(dim);
  float squares = 0;
  for (int64_t i = lane; i < dim; i += kWarp) {
    const float v = toFloat(in[i]) - centre;
    squares += v * v;
  }
  const float scale = 1.0f / sqrtf(sumOfLanes(squares) / static_cast<float>(dim) + eps);
  for (int64_t i = lane; i < dim; i += kWarp) {
    out[i] = fromFloat<T>((toFloat(in[i]) - centre) * scale * weight[i] + bias[i]);
  }
  if (mean && lane == 0) {
    mean[row] = centre;
    rstd[row] = scale;
  }
}

// With n = (x - mean) * rstd and g = dy * weight: dx += rstd * (g - mean(g) - n * mean(g * n)). A warp a row, of which
// it holds dy and x; reads rows * dim of T three times and writes dx: bound by memory alone.
template <typename T>
__global__ void __launch_bounds__(kRowThreads)
    heldInputGradientKernel(T* dx, const T* dy, const T* x, const float* mean, const float* rstd, const float* weight,
                            int64_t rows, int64_t dim) {
  constexpr int kCount = kPackSize<T>;
  const int64_t row = blockIdx.x * int64_t{kRowThreads / kWarp} + threadIdx.x / kWarp;
  if (row >= rows) return;  // the whole warp
  T* const out = dx + row * dim;
  Packs<T> up = {}, in = {};
  loadPacks<T>(up, dy + row * dim, dim);
  loadPacks<T>(in, x + row * dim, dim);
  const float centre = mean[row], scale = rstd[row];
  float sum = 0, product = 0;
  forEachPack<T>(dim, [&](int p, unsigned i) {
    float w[kCount];
    loadFloats(w, weight + i);
#pragma unroll
    for (int j = 0; j < kCount; ++j) {
      const float g = toFloat(up[p].values[j]) * w[j];
      sum += g;
      product += g * (toFloat(in[p].values[j]) - centre) * scale;
    }
  });
  sum = sumOfLanes(sum) / static_cast<float>(dim);
  product = sumOfLanes(product) / static_cast<float>(dim);
  forEachPack<T>(dim, [&](int p, unsigned i) {
    float w[kCount];
    loadFloats(w, weight + i);
    auto& target = *reinterpret_cast<Pack<T, kCount>*>(out + i);
    Pack<T, kCount> result = target;
#pragma unroll
    for (int j = 0; j < kCount; ++j) {
      const float g = toFloat(up[p].values[j]) * w[j], n = (toFloat(in[p].values[j]) - centre) * scale;
      result.values[j] = fromFloat<T>(toFloat(result.values[j]) + scale * (g - sum - n * product));
    }
    target = result;
  });
}

// The same for rows that are longer or do not begin on a pack's boundary: dy and x are read again from cache.
template <typename T>
__global__ void __launch_bounds__(kRowThreads)
    inputGradientKernel(T* dx, const T* dy, const T* x, const float* mean, const float* rstd, const float* weight,
                        int64_t rows, int64_t dim) {
  const int64_t row = blockIdx.x * int64_t{kRowThreads / kWarp} + threadIdx.x / kWarp;
  if (row >= rows) return;  // the whole warp
  const unsigned lane = threadIdx.x % kWarp;
  const T *in = x + row * dim, *up = dy + row * dim;
  T* out = dx + row * dim;
  const float centre = mean[row], scale = rstd[row];
  float sum = 0, product = 0;
  for (int64_t i = lane; i < dim; i += kWarp) {
    const float g = toFloat(up[i]) * weight[i];
    sum += g;
    product += g * (toFloat(in[i]) - centre) * scale;
  }
  sum = sumOfLanes(sum) / static_cast<float>(dim);
  product = sumOfLanes(product) / static_cast<float>(dim);
  for (int64_t i = lane; i < dim; i += kWarp) {
    const float g = toFloat(up[i]) * weight[i], n = (toFloat(in[i]) - centre) * scale;
    out[i] = fromFloat<T>(toFloat(out[i]) + scale * (g - sum - n * product));
  }
}

// partials (rows / kPartialRows, 2, dim): sums of dy * n and of dy over kPartialRows rows. A thread a column, so that a
// warp reads 32 neighbours of a row; blockIdx.y is the part.
template <typename T>
__global__ void __launch_bounds__(kColumnThreads)
    partialSumsKernel(float* partials, const T* dy, const T* x, const float* mean, const float* rstd, int64_t rows,
                      int64_t dim) {
  const int64_t column = blockIdx.x * int64_t{kColumnThreads} + threadIdx.x, part = blockIdx.y;
  if (column >= dim) return;
  const int64_t end = min((part + 1) * kPartialRows, rows);
  float dweight = 0, dbias = 0;
  for (int64_t row = part * kPartialRows; row < end; ++row) {
    const float up = toFloat(dy[row * dim + column]);
    dweight += up * (toFloat(x[row * dim + column]) - mean[row]) * rstd[row];
    dbias += up;
  }
  partials[part * 2 * dim + column] = dweight;
  partials[(part * 2 + 1) * dim + column] = dbias;
}

/// Whether rows fit in registers and begin, as `floats` do, on packs' boundaries.
template <typename T>
bool isHeld(int64_t dim, std::initializer_list<const T*> rows, std::initializer_list<const float*> floats) {
  constexpr int kCount = kPackSize<T>, kFloats = kPackSize<float>;
  return dim <= kHeld && dim % kCount == 0 && std::all_of(rows.begin(), rows.end(), onBoundary<kCount, T>) &&
         std::all_of(floats.begin(), floats.end(), onBoundary<kFloats, float>);
}

}  // namespace

template <typename T>
void layerNorm(Stream stream, T* y, float* mean, float* rstd, const T* x, const float* weight, const float* bias,
               int64_t rows, int64_t dim, float eps) {
  launch(stream, isHeld<T>(dim, {y, x}, {weight, bias}) ? heldLayerNormKernel<T> : layerNormKernel<T>,
         blocksOf(rows, kRowThreads / kWarp), kRowThreads, 0, y, mean, rstd, x, weight, bias, rows, dim, eps);
}

template <typename T>
void layerNormGradient(Stream stream, T* dx, float* dweight, float* dbias, float* partials, const T* dy, const T* x,
                       const float* mean, const float* rstd, const float* weight, int64_t rows, int64_t dim) {
  launch(stream, isHeld<T>(dim, {dx, dy, x}, {weight}) ? heldInputGradientKernel<T> : inputGradientKernel<T>,
         blocksOf(rows, kRowThreads / kWarp), kRowThreads, 0, dx, dy, x, mean, rstd, weight, rows, dim);
  launch(stream, partialSumsKernel<T>, partialSumsGrid(rows, dim), kColumnThreads, 0, partials, dy, x, mean, rstd, rows,
         dim);
  const int64_t parts = blocksOf(rows, kPartialRows);
  joinSums(stream, dweight, partials, parts, dim, 2 * dim);
  joinSums(stream, dbias, partials + dim, parts, dim, 2 * dim);
}

int64_t layerNormPartials(int64_t rows, int64_t dim) {
  return 2 * columnSumPartials(rows, dim);
}

template void layerNorm(Stream, float*, float*, float*, const float*, const float*, const float*, int64_t, int64_t,
                        float);
template void layerNorm(Stream, bf16*, float*, float*, const bf16*, const float*, const float*, int64_t, int64_t,
                        float);
template void layerNormGradient(Stream, float*, float*, float*, float*, const float*, const float*, const float*,
                                const float*, const float*, int64_t, int64_t);
template void layerNormGradient(Stream, bf16*, float*, float*, float*, const bf16*, const bf16*, const float*,
                                const float*, const float*, int64_t, int64_t);

}  // namespace dinomaly::cuda
