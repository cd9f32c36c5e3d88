#include "backend/cuda/column_sums.h"
#include "backend/cuda/layer_norm.h"

namespace dinomaly::cuda {
namespace {

constexpr unsigned kRowThreads = 128;  // forward and dx: a warp a row, four rows a block

// A warp a row; the row is read three times, twice of them from the first-level cache. Reads rows * dim of T, writes as
// much. dim floats of weight and bias stay in cache.
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

// With n = (x - mean) * rstd and g = dy * weight: dx += rstd * (g - mean(g) - n * mean(g * n)). A warp a row; reads
// rows * dim of T three times (dy and x again from cache), reads and writes dx.
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

}  // namespace

template <typename T>
void layerNorm(Stream stream, T* y, float* mean, float* rstd, const T* x, const float* weight, const float* bias,
               int64_t rows, int64_t dim, float eps) {
  launch(stream, layerNormKernel<T>, blocksOf(rows, kRowThreads / kWarp), kRowThreads, 0, y, mean, rstd, x, weight,
         bias, rows, dim, eps);
}

template <typename T>
void layerNormGradient(Stream stream, T* dx, float* dweight, float* dbias, float* partials, const T* dy, const T* x,
                       const float* mean, const float* rstd, const float* weight, int64_t rows, int64_t dim) {
  launch(stream, inputGradientKernel<T>, blocksOf(rows, kRowThreads / kWarp), kRowThreads, 0, dx, dy, x, mean, rstd,
         weight, rows, dim);
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
