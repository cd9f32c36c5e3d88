#include "backend/cuda/linear.h"

namespace dinomaly::cuda {
namespace {

constexpr unsigned kThreads = 256;
constexpr unsigned kPack = kPackSize<float>;

__device__ __forceinline__ float finished(float v, int64_t row, int64_t column, int64_t out, const Epilogue& e) {
  if (e.bias) v += e.bias[column];
  if (e.activation == Activation::gelu) v *= 0.5f * (1.0f + erff(v * 0.70710678f));
  if (e.scale) v *= e.scale[column];
  if (e.residual) v += e.residual[row * out + column];
  return v;
}

// kCount neighbours of a row a thread: 16 bytes where `out` allows. Reads rows * out floats, and as many of a residual,
// writes as many: bound by memory alone. A row is blockIdx.y, beyond 65535 rows a loop.
template <int kCount>
__global__ void __launch_bounds__(kThreads)
    finishKernel(float* y, const float* product, int64_t rows, int64_t out, Epilogue e) {
  const int64_t column = (blockIdx.x * int64_t{kThreads} + threadIdx.x) * kCount;
  if (column >= out) return;
  for (int64_t row = blockIdx.y; row < rows; row += gridDim.y) {
    auto pack = *reinterpret_cast<const Pack<float, kCount>*>(product + row * out + column);
#pragma unroll
    for (int i = 0; i < kCount; ++i) pack.values[i] = finished(pack.values[i], row, column + i, out, e);
    *reinterpret_cast<Pack<float, kCount>*>(y + row * out + column) = pack;
  }
}

}  // namespace

void finishLinear(Stream stream, float* y, const float* product, int64_t rows, int64_t out, const Epilogue& e) {
  constexpr int64_t kMaxGridY = 65535;
  const auto down = static_cast<unsigned>(rows < kMaxGridY ? rows : kMaxGridY);
  if (out % kPack == 0) {
    launch(stream, finishKernel<kPack>, dim3(blocksOf(out, kThreads * kPack), down), kThreads, 0, y, product, rows, out,
           e);
  } else {
    launch(stream, finishKernel<1>, dim3(blocksOf(out, kThreads), down), kThreads, 0, y, product, rows, out, e);
  }
}

}  // namespace dinomaly::cuda
