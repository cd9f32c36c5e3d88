#include "backend/cuda/gelu.h"
#include "backend/cuda/linear.h"

namespace dinomaly::cuda {
namespace {

constexpr unsigned kThreads = 256;
constexpr int kWarps = kThreads / kWarp;
constexpr int kRows = 2;  // that a thread has in flight

/// kCount floats of `x` from `column` on, each `without` if there is no x.
template <int kCount>
__device__ __forceinline__ Pack<float, kCount> floatsOr(float without, const float* x, int64_t column) {
  constexpr int kFloats = kCount < kPackSize<float> ? kCount : kPackSize<float>;
  Pack<float, kCount> values;
#pragma unroll
  for (int i = 0; i < kCount; i += kFloats) {
    Pack<float, kFloats> part = {};
    if (x) part = *reinterpret_cast<const Pack<float, kFloats>*>(x + column + i);
#pragma unroll
    for (int j = 0; j < kFloats; ++j) values.values[i + j] = x ? part.values[j] : without;
  }
  return values;
}

// A warp takes kCount * 32 neighbours of kRows rows, kWarps apart, so that a thread loads bias and scale once for all
// of them; blockIdx.x counts groups of rows, blockIdx.y parts of a row. kCount: 16 bytes of T, or one element for
// tensors that do not begin on a pack's boundary. Reads rows * out of T, and as many of a residual, and writes as many:
// bound by memory alone.
template <int kCount, typename T>
__global__ void __launch_bounds__(kThreads)
    finishKernel(T* y, const T* product, int64_t rows, int64_t out, const float* bias, bool gelu, const float* scale,
                 const T* residual) {
  const int64_t column = (blockIdx.y * int64_t{kWarp} + threadIdx.x % kWarp) * kCount;
  const int64_t first = blockIdx.x * int64_t{kWarps * kRows} + threadIdx.x / kWarp;
  if (column >= out || first >= rows) return;
  Pack<T, kCount> in[kRows], old[kRows] = {};
#pragma unroll
  for (int r = 0; r < kRows; ++r) {  // the last row again, in vain, rather than a branch between loads
    const int64_t at = min(first + r * kWarps, rows - 1) * out + column;
    in[r] = *reinterpret_cast<const Pack<T, kCount>*>(product + at);
    if (residual) old[r] = *reinterpret_cast<const Pack<T, kCount>*>(residual + at);
  }
  const Pack<float, kCount> add = floatsOr<kCount>(0, bias, column), factor = floatsOr<kCount>(1, scale, column);
#pragma unroll
  for (int r = 0; r < kRows; ++r) {
    const int64_t row = first + r * kWarps;
    if (row >= rows) return;
    Pack<T, kCount> result;
#pragma unroll
    for (int i = 0; i < kCount; ++i) {
      float v = toFloat(in[r].values[i]) + add.values[i];
      if (gelu) v = Gelu<float>()(v);
      result.values[i] = fromFloat<T>(v * factor.values[i] + toFloat(old[r].values[i]));
    }
    *reinterpret_cast<Pack<T, kCount>*>(y + row * out + column) = result;
  }
}

// y (rows, packs of 16 bytes) = x (rows,size), zeros behind. A warp makes 32 neighbouring packs of a row, so that no
// thread divides to find its row: kWarps rows a block, numbered by blockIdx.x, and blockIdx.y is the part of the rows.
// Stores go out in 16 bytes, loads come in kCount values, which rows begin on a boundary of. Reads and writes each
// value once: bound by memory alone.
template <int kCount>
__global__ void __launch_bounds__(kThreads)
    padRowsKernel(bf16* y, const bf16* x, int64_t rows, int64_t size, int64_t packs) {
  constexpr int kPack = kPackSize<bf16>;
  const int64_t row = blockIdx.x * int64_t{kWarps} + threadIdx.x / kWarp;
  const int64_t pack = blockIdx.y * int64_t{kWarp} + threadIdx.x % kWarp;
  if (row >= rows || pack >= packs) return;
  Pack<bf16, kPack> out;
#pragma unroll
  for (int i = 0; i < kPack; i += kCount) {
    const int64_t column = pack * kPack + i;
    Pack<bf16, kCount> in = {};
    if (column < size) in = *reinterpret_cast<const Pack<bf16, kCount>*>(x + row * size + column);
#pragma unroll
    for (int j = 0; j < kCount; ++j) out.values[i + j] = in.values[j];
  }
  reinterpret_cast<Pack<bf16, kPack>*>(y)[row * packs + pack] = out;
}

}  // namespace

void padRows(Stream stream, bf16* y, const bf16* x, int64_t rows, int64_t size) {
  if (rows == 0 || size == 0) return;
  const int64_t packs = paddedRow(size) / kPackSize<bf16>;
  const auto kernel = size % 4 == 0 && onBoundary<4>(x)   ? padRowsKernel<4>
                      : size % 2 == 0 && onBoundary<2>(x) ? padRowsKernel<2>
                                                          : padRowsKernel<1>;
  launch(stream, kernel, dim3(blocksOf(rows, kWarps), blocksOf(packs, kWarp)), kThreads, 0, y, x, rows, size, packs);
}

template <typename T>
void finishLinear(Stream stream, T* y, const T* product, int64_t rows, int64_t out, const float* bias, bool gelu,
                  const float* scale, const T* residual) {
  constexpr int kCount = kPackSize<T>, kFloats = kPackSize<float>;
  if (rows == 0 || out == 0) return;
  const bool packed = out % kCount == 0 && onBoundary<kCount>(y) && onBoundary<kCount>(product) &&
                      onBoundary<kCount>(residual) && onBoundary<kFloats>(bias) && onBoundary<kFloats>(scale);
  const dim3 grid(blocksOf(rows, kWarps * kRows), blocksOf(out, kWarp * (packed ? kCount : 1)));
  launch(stream, packed ? finishKernel<kCount, T> : finishKernel<1, T>, grid, kThreads, 0, y, product, rows, out, bias,
         gelu, scale, residual);
}

template void finishLinear(Stream, float*, const float*, int64_t, int64_t, const float*, bool, const float*,
                           const float*);
template void finishLinear(Stream, bf16*, const bf16*, int64_t, int64_t, const float*, bool, const float*, const bf16*);

}  // namespace dinomaly::cuda
