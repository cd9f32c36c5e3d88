// Into tokens, and from tokens to patches and back. T: float or bf16, of activations and their gradients where they are
// not wide. Letters as in backend.h: B images, N tokens of an image, P patches, D channels.
#pragma once

#include <cstdint>
#include <vector>

#include "backend/cuda/elementwise.h"
#include "backend/cuda/launch.h"

namespace dinomaly::cuda {

/// RGB bytes (B,h,w,3), which lie in device memory, -> normalised patches (B*P, 3*p*p), channel first inside a patch,
/// with the CPU's roundings. h and w are multiples of p.
template <typename T>
void patchesFromPixels(Stream stream, T* y, const uint8_t* pixels, int64_t images, int64_t h, int64_t w, int64_t p);

/// A normalised tensor (B,3,h,w), which lies in device memory, -> patches (B*P, 3*p*p).
template <typename T>
void patchesFromTensor(Stream stream, T* y, const float* x, int64_t images, int64_t h, int64_t w, int64_t p);

/// y (B,N,D) = [cls + positions[0], registers, patches + positions[1..]]; patches (B*P,D), cls (D), registers
/// (N-1-P,D), positions (1+P,D).
void embed(Stream stream, float* y, const float* patches, const float* cls, const float* registers,
           const float* positions, int64_t images, int64_t patchCount, int64_t registerCount, int64_t dim);

/// y (B,P,D) = the weighted sum of the patches of tokens (B,N,D), which are their last P.
template <typename T>
void takePatches(Stream stream, T* y, std::vector<Term<T>> tokens, int64_t images, int64_t tokenCount,
                 int64_t patchCount, int64_t dim);

/// dtokens (B,N,D) += a * dpatches (B,P,D) for the last P tokens; the others are left alone.
template <typename T>
void putPatches(Stream stream, T* dtokens, const T* dpatches, float a, int64_t images, int64_t tokenCount,
                int64_t patchCount, int64_t dim);

}  // namespace dinomaly::cuda
