// Matrix products of floats on oneDNN, which is used in this file's source and int8_product.cpp alone.
#pragma once

#include <cstdint>

namespace dinomaly {

/// A row-major matrix, or its transpose: element (i, j) is data[i*stride + j], transposed data[j*stride + i].
struct MatrixView {
  const float* data;
  int64_t stride;
  bool transposed = false;
};

/// c (m,n), rows `stride` apart, = a (m,k) b (k,n), or += where `add`; on the calling thread alone.
void multiply(float* c, int64_t stride, const MatrixView& a, const MatrixView& b, int64_t m, int64_t n, int64_t k,
              bool add = false);

}  // namespace dinomaly
