// Element by element. T: float or bf16, of what is read and written; arithmetic is float. All in place where x is
// y itself; buffers that overlap otherwise are not allowed.
#pragma once

#include <vector>

#include "backend/cuda/launch.h"
#include "backend/cuda/step.h"

namespace dinomaly::cuda {

/// y (size) = gelu(x): of erf, not of tanh; in bf16 as far as rounding shows.
template <typename T>
void gelu(Stream stream, T* y, const T* x, int64_t size);

/// y (rows,dim) = x kept with probability 1 - rate and divided by it, else 0: the same elements as on the CPU, which
/// element i of row r draws from word i%4 of philox({i/4, r, iteration, place}, seed), with the step's iteration and
/// seed. rate 0: identity; less than 1.
template <typename T>
void dropout(Stream stream, T* y, const T* x, int64_t rows, int64_t dim, float rate, uint32_t place, const Step* step);

/// A tensor of a weighted sum, whose rows begin `stride` apart.
template <typename T>
struct Term {
  const T* x;
  float weight;
  int64_t stride;
};

/// y (rows,size), rows yStride apart, = sum of weight * x, of one term or more, in their order. Rounded once for the
/// first 8 terms and once for each 7 further ones. y may be the first term.
template <typename T>
void weightedSum(Stream stream, T* y, int64_t yStride, const std::vector<Term<T>>& terms, int64_t rows, int64_t size);

/// to (size) = from, rounded to nearest where bf16 is made of float.
void convert(Stream stream, bf16* to, const float* from, int64_t size);
void convert(Stream stream, float* to, const bf16* from, int64_t size);

}  // namespace dinomaly::cuda
