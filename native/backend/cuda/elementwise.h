// Element by element. T: float or bf16, of what is read and written; arithmetic is float. All in place where x or dy is
// y or dx itself; buffers that overlap otherwise are not allowed.
#pragma once

#include "backend/cuda/launch.h"
#include "backend/cuda/step.h"

namespace dinomaly::cuda {

/// y (size) = gelu(x), exact (erf).
template <typename T>
void gelu(Stream stream, T* y, const T* x, int64_t size);

/// dx (size) = dy * gelu'(x).
template <typename T>
void geluGradient(Stream stream, T* dx, const T* dy, const T* x, int64_t size);

/// y (rows,dim) = x kept with probability 1 - rate and divided by it, else 0: the same elements as on the CPU, which
/// element i of row r draws from word i%4 of philox({i/4, r, iteration, place}, seed), with the step's iteration and
/// seed. rate 0: identity.
template <typename T>
void dropout(Stream stream, T* y, const T* x, int64_t rows, int64_t dim, float rate, uint32_t place, const Step* step);

/// y (size) += a * x
template <typename T>
void addScaled(Stream stream, T* y, const T* x, float a, int64_t size);

/// to (size) = from, rounded to nearest where bf16 is made of float.
void convert(Stream stream, bf16* to, const float* from, int64_t size);
void convert(Stream stream, float* to, const bf16* from, int64_t size);

}  // namespace dinomaly::cuda
