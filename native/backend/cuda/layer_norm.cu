#include <algorithm>
#include <initializer_list>

#include "backend/cuda/async_copy.h"
#include "backend/cuda/column_sums.h"
#include "backend/cuda/layer_norm.h"

namespace dinomaly::cuda {
namespace {

constexpr unsigned kRowThreads = 128;  // a warp a row, four rows at a time a block
constexpr int64_t kBlockRows = kRowThreads / kWarp;
constexpr int64_t kFewRows = 1056;        // two blocks for each multiprocessor of the largest devices
constexpr int kHeld = 1024;               // values of a row, at most, that a warp holds in registers: 32 a lane
constexpr unsigned kColumnThreads = 128;  // a thread a column, so that a warp reads 32 neighbours

/// A lane's part of a row of kDim values at most that a warp holds: packs of 16 bytes, neighbouring lanes' being
/// neighbours.
template <typename T, int kDim>
constexpr int kPacks = kDim / static_cast<int>(kWarp) / kPackSize<T>;
template <typename T, int kDim>
using Packs = Pack<T, kPackSize<T>>[kPacks<T, kDim>];

/// Calls use(p, i) for each of this lane's packs that a row of `dim` has: p of `Packs`, i the first element.
template <typename T, int kDim, typename Use>
__device__ __forceinline__ void forEachPack(int64_t dim, const Use& use) {
  const int first =
      static_cast<int>(threadIdx.x % kWarp) * kPackSize<T>;  // signed: what follows is added in the address
#pragma unroll
  for (int p = 0; p < kPacks<T, kDim>; ++p) {
    const int i = first + p * static_cast<int>(kWarp) * kPackSize<T>;
    if (i < static_cast<int>(dim)) use(p, i);
  }
}

/// The first element of this lane's pack p; beyond the row's end of the row's last pack, which is loaded again, in
/// vain: a branch would wait for each load before the next.
template <typename T>
__device__ __forceinline__ unsigned firstOfPack(int p, int64_t dim) {
  constexpr unsigned kCount = kPackSize<T>;
  return min((p * kWarp + threadIdx.x % kWarp) * kCount, static_cast<unsigned>(dim) - kCount);
}

template <typename T, int kDim>
__device__ __forceinline__ void loadPacks(Packs<T, kDim>& packs, const T* row, int64_t dim) {
#pragma unroll
  for (int p = 0; p < kPacks<T, kDim>; ++p) {
    packs[p] = *reinterpret_cast<const Pack<T, kPackSize<T>>*>(row + firstOfPack<T>(p, dim));
  }
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

// A warp a row, which it reads once, 16 bytes a load, and holds in registers. Reads rows * dim of X and writes as many
// T: bound by memory alone. dim floats of weight and bias stay in cache. kEarly: they are loaded together with the row
// and kept, for so few rows that each multiprocessor has all of its own at once, and would wait for them in the end;
// more rows want the registers.
template <typename T, typename X, int kDim, bool kEarly>
__global__ void __launch_bounds__(kRowThreads)
    heldLayerNormKernel(T* y, float* mean, float* rstd, const X* x, const float* weight, const float* bias,
                        int64_t rows, int64_t dim, float eps) {
  constexpr int kCount = kPackSize<X>;
  const int64_t row = blockIdx.x * kBlockRows + threadIdx.x / kWarp;
  if (row >= rows) return;  // the whole warp
  T* const out = y + row * dim;
  Packs<X, kDim> in;
  loadPacks<X, kDim>(in, x + row * dim, dim);
  float w[kPacks<X, kDim>][kCount], b[kPacks<X, kDim>][kCount];
  const auto loadWeights = [&](int p, unsigned i) {
    loadFloats(w[p], weight + i);
    loadFloats(b[p], bias + i);
  };
  if (kEarly) {
#pragma unroll
    for (int p = 0; p < kPacks<X, kDim>; ++p) loadWeights(p, firstOfPack<X>(p, dim));
  }
  float sum = 0;
  forEachPack<X, kDim>(dim, [&](int p, int) {
#pragma unroll
    for (int j = 0; j < kCount; ++j) sum += toFloat(in[p].values[j]);
  });
  const float centre = sumOfLanes(sum) / static_cast<float>(dim);
  float squares = 0;
  forEachPack<X, kDim>(dim, [&](int p, int) {
#pragma unroll
    for (int j = 0; j < kCount; ++j) {
      const float v = toFloat(in[p].values[j]) - centre;
      squares += v * v;
    }
  });
  const float scale = 1.0f / sqrtf(sumOfLanes(squares) / static_cast<float>(dim) + eps);
  forEachPack<X, kDim>(dim, [&](int p, int i) {
    if (!kEarly) loadWeights(p, static_cast<unsigned>(i));
    Pack<T, kCount> result;
#pragma unroll
    for (int j = 0; j < kCount; ++j) {
      result.values[j] = fromFloat<T>((toFloat(in[p].values[j]) - centre) * scale * w[p][j] + b[p][j]);
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
template <typename T, typename X>
__global__ void __launch_bounds__(kRowThreads)
    layerNormKernel(T* y, float* mean, float* rstd, const X* x, const float* weight, const float* bias, int64_t rows,
                    int64_t dim, float eps) {
  const int64_t row = blockIdx.x * kBlockRows + threadIdx.x / kWarp;
  if (row >= rows) return;  // the whole warp
  const unsigned lane = threadIdx.x % kWarp;
  const X* in = x + row * dim;
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

/// How heldGradientKernel deals out rows of `dim`: a warp a row, `warps` a block, as many as 48 KB of shared memory
/// give room for the rows that they copy. Sums depend on sizes alone.
template <typename T>
struct GradientPlan {
  static constexpr int64_t kRowTensors = 2 * 3;            // a row of dy, x and dx, and the next one
  static constexpr int64_t kBlocks = 396, kBytes = 49152;  // of 512 to 1024 columns; three a multiprocessor of 132
  int64_t warps, blockRows, blocks;
  GradientPlan(int64_t rows, int64_t dim)
      : warps(std::min<int64_t>(4, kBytes / (kRowTensors * dim * static_cast<int64_t>(sizeof(T))))),
        blockRows(blocksOf(rows, (dim > kHeld / 2 ? 1 : 2) * kBlocks * warps) * warps),
        blocks(blocksOf(rows, blockRows)) {}
  size_t sharedBytes(int64_t dim) const { return static_cast<size_t>(warps * kRowTensors * dim) * sizeof(T); }
};

// With n = (x - mean) * rstd and g = dy * weight: dx += rstd * (g - mean(g) - n * mean(g * n)); partials (blocks, 2,
// dim): sums of dy * n and of dy over the block's rows. A block takes `blockRows` rows, its warps one after the other;
// a lane keeps its columns' sums in registers, and copies its part of the next row's dy, x and dx to shared memory
// while it works on one: 55 KB are always on their way to a multiprocessor that has its share of the blocks. In the end
// the warps' sums are added there, (warps, 2, dim) floats. Reads rows * dim of T three times and writes dx, and 8 * dim
// bytes a block: bound by memory alone.
template <typename T, int kDim>
__global__ void __launch_bounds__(kRowThreads)
    heldGradientKernel(T* dx, float* partials, const T* dy, const T* x, const float* mean, const float* rstd,
                       const float* weight, int64_t rows, int64_t dim, int64_t blockRows) {
  constexpr int kCount = kPackSize<T>, kFloats = kPackSize<float>;
  using Packed = Pack<T, kCount>;
  const unsigned warp = threadIdx.x / kWarp, warps = blockDim.x / kWarp;
  const float share = 1.0f / static_cast<float>(dim);
  T* const copied = sharedMemory<T>() + warp * 2 * 3 * dim;  // (2, 3, dim): of a lane what it copies itself
  AsyncCopies copies;
  const auto start = [&](int64_t row, unsigned turn) {
    T *const to = copied + turn * 3 * dim, *const ofDx = dx + row * dim;
    const T *const ofDy = dy + row * dim, *const ofX = x + row * dim;
    forEachPack<T, kDim>(dim, [&](int, int i) {
      copies.start(to + i, ofDy + i, true);
      copies.start(to + dim + i, ofX + i, true);
      copies.start(to + 2 * dim + i, ofDx + i, true);
    });
  };
  const int64_t end = min((blockIdx.x + 1) * blockRows, rows);
  int64_t row = blockIdx.x * blockRows + warp;
  float dweight[kPacks<T, kDim>][kCount] = {}, dbias[kPacks<T, kDim>][kCount] = {}, nextCentre = 0, nextScale = 0;
  if (row < end) {
    start(row, 0);
    nextCentre = mean[row];
    nextScale = rstd[row];
  }
#pragma unroll 1
  for (unsigned turn = 0; row < end; row += warps, turn ^= 1) {
    copies.wait();
    const float centre = nextCentre, scale = nextScale;
    if (row + warps < end) {
      start(row + warps, turn ^ 1);
      nextCentre = mean[row + warps];
      nextScale = rstd[row + warps];
    }
    const T *const up = copied + turn * 3 * dim, *const in = up + dim, *const old = in + dim;
    T* const out = dx + row * dim;
    float sum = 0, product = 0;
    forEachPack<T, kDim>(dim, [&](int p, int i) {
      float w[kCount];
      loadFloats(w, weight + i);
      const Packed ofUp = *reinterpret_cast<const Packed*>(up + i), ofIn = *reinterpret_cast<const Packed*>(in + i);
#pragma unroll
      for (int j = 0; j < kCount; ++j) {
        const float dyOf = toFloat(ofUp.values[j]), n = (toFloat(ofIn.values[j]) - centre) * scale, g = dyOf * w[j];
        sum += g;
        product += g * n;
        dweight[p][j] += dyOf * n;
        dbias[p][j] += dyOf;
      }
    });
    sum = sumOfLanes(sum) * share;
    product = sumOfLanes(product) * share;
    __syncwarp();  // so that values are loaded again: the sums leave no registers to keep them in meanwhile
    forEachPack<T, kDim>(dim, [&](int, int i) {
      float w[kCount];
      loadFloats(w, weight + i);
      const Packed ofUp = *reinterpret_cast<const Packed*>(up + i), ofIn = *reinterpret_cast<const Packed*>(in + i);
      Packed result = *reinterpret_cast<const Packed*>(old + i);
#pragma unroll
      for (int j = 0; j < kCount; ++j) {
        const float n = (toFloat(ofIn.values[j]) - centre) * scale, g = toFloat(ofUp.values[j]) * w[j];
        result.values[j] = fromFloat<T>(toFloat(result.values[j]) + scale * (g - sum - n * product));
      }
      *reinterpret_cast<Packed*>(out + i) = result;
    });
  }
  __syncthreads();  // all rows are done with
  float* const ofWarps = sharedMemory<float>();
  forEachPack<T, kDim>(dim, [&](int p, int i) {
    float* const to = ofWarps + warp * 2 * dim + i;
#pragma unroll
    for (int j = 0; j < kCount; j += kFloats) {
      Pack<float, kFloats> ofWeight, ofBias;
#pragma unroll
      for (int k = 0; k < kFloats; ++k) {
        ofWeight.values[k] = dweight[p][j + k];
        ofBias.values[k] = dbias[p][j + k];
      }
      *reinterpret_cast<Pack<float, kFloats>*>(to + j) = ofWeight;
      *reinterpret_cast<Pack<float, kFloats>*>(to + dim + j) = ofBias;
    }
  });
  __syncthreads();
#pragma unroll 2
  for (int64_t i = threadIdx.x; i < 2 * dim; i += blockDim.x) {
    float sum = 0;
    for (unsigned w = 0; w < warps; ++w) sum += ofWarps[w * 2 * dim + i];
    partials[blockIdx.x * 2 * dim + i] = sum;
  }
}

// The input's gradient for rows that are longer or do not begin on a pack's boundary: dy and x are read again from
// cache.
template <typename T>
__global__ void __launch_bounds__(kRowThreads)
    inputGradientKernel(T* dx, const T* dy, const T* x, const float* mean, const float* rstd, const float* weight,
                        int64_t rows, int64_t dim) {
  const int64_t row = blockIdx.x * kBlockRows + threadIdx.x / kWarp;
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

// For such rows, partials (rows / kPartialRows, 2, dim): sums of dy * n and of dy over kPartialRows rows. A thread a
// column, so that a warp reads 32 neighbours of a row; blockIdx.y is the part.
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

template <typename T, typename X, bool kEarly>
auto heldLayerNormFor(int64_t dim) {
  return dim <= kHeld / 2       ? heldLayerNormKernel<T, X, kHeld / 2, kEarly>
         : dim <= kHeld / 4 * 3 ? heldLayerNormKernel<T, X, kHeld / 4 * 3, kEarly>
                                : heldLayerNormKernel<T, X, kHeld, kEarly>;
}

}  // namespace

template <typename T, typename X>
void layerNorm(Stream stream, T* y, float* mean, float* rstd, const X* x, const float* weight, const float* bias,
               int64_t rows, int64_t dim, float eps) {
  const bool held = isHeld<X>(dim, {x}, {weight, bias}) && onBoundary<kPackSize<X>>(y);
  const auto kernel = !held              ? layerNormKernel<T, X>
                      : rows <= kFewRows ? heldLayerNormFor<T, X, true>(dim)
                                         : heldLayerNormFor<T, X, false>(dim);
  launch(stream, kernel, blocksOf(rows, kBlockRows), kRowThreads, 0, y, mean, rstd, x, weight, bias, rows, dim, eps);
}

template <typename T>
void layerNormGradient(Stream stream, T* dx, float* dweight, float* dbias, float* partials, const T* dy, const T* x,
                       const float* mean, const float* rstd, const float* weight, int64_t rows, int64_t dim) {
  if (isHeld<T>(dim, {dx, dy, x}, {weight})) {
    const auto kernel = dim <= kHeld / 2       ? heldGradientKernel<T, kHeld / 2>
                        : dim <= kHeld / 4 * 3 ? heldGradientKernel<T, kHeld / 4 * 3>
                                               : heldGradientKernel<T, kHeld>;
    const GradientPlan<T> plan(rows, dim);
    launch(stream, kernel, static_cast<unsigned>(plan.blocks), static_cast<unsigned>(plan.warps) * kWarp,
           plan.sharedBytes(dim), dx, partials, dy, x, mean, rstd, weight, rows, dim, plan.blockRows);
    joinSums(stream, dweight, dbias, partials, plan.blocks, dim);
    return;
  }
  launch(stream, inputGradientKernel<T>, blocksOf(rows, kBlockRows), kRowThreads, 0, dx, dy, x, mean, rstd, weight,
         rows, dim);
  const int64_t parts = blocksOf(rows, kPartialRows);
  const dim3 grid(blocksOf(dim, kColumnThreads), static_cast<unsigned>(parts));
  launch(stream, partialSumsKernel<T>, grid, kColumnThreads, 0, partials, dy, x, mean, rstd, rows, dim);
  joinSums(stream, dweight, dbias, partials, parts, dim);
}

int64_t layerNormPartials(int64_t rows, int64_t dim) {
  int64_t parts = blocksOf(rows, kPartialRows);
  if (dim <= kHeld)
    parts = std::max({parts, GradientPlan<float>(rows, dim).blocks, GradientPlan<bf16>(rows, dim).blocks});
  return 2 * dim * parts;
}

template void layerNorm(Stream, float*, float*, float*, const float*, const float*, const float*, int64_t, int64_t,
                        float);
template void layerNorm(Stream, bf16*, float*, float*, const bf16*, const float*, const float*, int64_t, int64_t,
                        float);
template void layerNorm(Stream, bf16*, float*, float*, const float*, const float*, const float*, int64_t, int64_t,
                        float);
template void layerNormGradient(Stream, float*, float*, float*, float*, const float*, const float*, const float*,
                                const float*, const float*, int64_t, int64_t);
template void layerNormGradient(Stream, bf16*, float*, float*, float*, const bf16*, const bf16*, const float*,
                                const float*, const float*, int64_t, int64_t);

}  // namespace dinomaly::cuda
