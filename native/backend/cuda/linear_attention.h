// Linear attention: phi = elu + 1 of q and k, y = phi(q) (phi(k)^T v) / (phi(q) . sum phi(k)). T: float or bf16, of
// activations and their gradients; products and sums are float. qkv (images * tokens, 3 * heads * headDim), channels
// ordered [3][heads][headDim]; headDim up to 128, 64 is what it is made for. A picture gives the same bits alone or
// among others.
#pragma once

#include "backend/cuda/launch.h"

namespace dinomaly::cuda {

/// y (images * tokens, heads * headDim). scratch: linearAttentionScratch() floats, aligned to 16 bytes.
template <typename T>
void linearAttention(Stream stream, T* y, float* scratch, const T* qkv, int64_t images, int64_t tokens, int64_t heads,
                     int64_t headDim);

/// dqkv, shaped as qkv, is written; dy (images * tokens, heads * headDim). scratch as above.
template <typename T>
void linearAttentionGradient(Stream stream, T* dqkv, float* scratch, const T* dy, const T* qkv, int64_t images,
                             int64_t tokens, int64_t heads, int64_t headDim);

/// Of both.
int64_t linearAttentionScratch(int64_t images, int64_t tokens, int64_t heads, int64_t headDim);

}  // namespace dinomaly::cuda
