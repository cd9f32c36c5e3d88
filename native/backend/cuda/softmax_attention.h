// Softmax attention without an N x N matrix: keys pass by in tiles, and each query keeps a running sum and, but for
// tensor cores, maximum (Milakov and Gimelshein 2018; Dao et al. 2022). T: float or bf16, of qkv and y; all sums are
// float.
#pragma once

#include "backend/cuda/launch.h"

namespace dinomaly::cuda {

enum class AttentionKernel {
  plain,  // T float or bf16, head sizes up to 128, any device
  // bf16, head size 64, compute capability 8.0 and newer: queries of a warp x warps of a block; all give the same bits
  tensor16x4,
  tensor16x5,
  tensor16x6,
  tensor32x4,
  warpgroup  // bf16, head size 64, code for 9.0a
};

constexpr int64_t kMaxHeadDim = 128;

/// What the choice of a kernel depends on.
struct AttentionDevice {
  int computeMajor, processors;  // its compute capability's major number and its multiprocessors
  bool warpgroups;               // it is of 9.0, and hasWarpgroupAttention()
};

/// Whether this library has the kernels by warpgroups for the present device, of compute capability 9.0.
bool hasWarpgroupAttention();

template <typename T>
AttentionKernel attentionKernelFor(int64_t images, int64_t tokens, int64_t heads, int64_t headDim,
                                   const AttentionDevice& device);

/// y (B*N, D) = softmax(q k^T / sqrt(d)) v from qkv (B*N, 3*D), channels ordered [3][H][d]; both aligned to 16 bytes.
/// An image gives the same bits alone or among others. Throws ERR_DEVICE_UNAVAILABLE for larger heads.
template <typename T>
void softmaxAttention(Stream stream, T* y, const T* qkv, int64_t images, int64_t tokens, int64_t heads, int64_t headDim,
                      AttentionKernel kernel);

}  // namespace dinomaly::cuda
