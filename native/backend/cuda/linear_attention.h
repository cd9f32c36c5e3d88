// Linear attention: phi = elu + 1 of q and k, y = phi(q) (phi(k)^T v) / (phi(q) . sum phi(k)). T: float or bf16, of
// activations and their gradients; products and sums are float (on tensor cores products of TF32). qkv (images *
// tokens, 3 * heads * headDim), channels ordered [3][heads][headDim]; headDim up to 128, 64 is what it is made for. A
// picture gives the same bits alone or among others.
#pragma once

#include <initializer_list>

#include "backend/cuda/launch.h"

namespace dinomaly::cuda {

enum class LinearAttentionKernel {
  plain,       // T float or bf16, head sizes up to 128, any device
  tensorCores  // bf16, head size 64, compute capability 8.0 and newer, all tensors aligned to 16 bytes
};

/// The kernel for these tensors on a device of that compute capability (major number).
template <typename T>
LinearAttentionKernel linearAttentionKernelFor(std::initializer_list<const T*> tensors, int64_t headDim,
                                               int computeMajor);

/// y (images * tokens, heads * headDim). scratch: linearAttentionScratch() floats, aligned to 16 bytes.
template <typename T>
void linearAttention(Stream stream, T* y, float* scratch, const T* qkv, int64_t images, int64_t tokens, int64_t heads,
                     int64_t headDim, LinearAttentionKernel kernel);

/// dqkv, shaped as qkv, is written; dy (images * tokens, heads * headDim). scratch as above.
template <typename T>
void linearAttentionGradient(Stream stream, T* dqkv, float* scratch, const T* dy, const T* qkv, int64_t images,
                             int64_t tokens, int64_t heads, int64_t headDim, LinearAttentionKernel kernel);

/// Of both; none on tensor cores.
int64_t linearAttentionScratch(int64_t images, int64_t tokens, int64_t heads, int64_t headDim,
                               LinearAttentionKernel kernel);

}  // namespace dinomaly::cuda
