// Linear attention on tensor cores, for what most of the time is spent on: activations of bf16, heads of 64 channels,
// compute capability 8.0 and newer. All tensors aligned to 16 bytes; shapes and formulas as in linear_attention.h.
#pragma once

#include "backend/cuda/launch.h"

namespace dinomaly::cuda {

constexpr int64_t kTensorHeadDim = 64;

void tensorLinearAttention(Stream stream, bf16* y, const bf16* qkv, int64_t images, int64_t tokens, int64_t heads);

void tensorLinearAttentionGradient(Stream stream, bf16* dqkv, const bf16* dy, const bf16* qkv, int64_t images,
                                   int64_t tokens, int64_t heads);

}  // namespace dinomaly::cuda
