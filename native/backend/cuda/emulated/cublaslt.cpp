#include "backend/cuda/emulated/cublaslt.h"

#include <cstring>
#include <memory>
#include <vector>

#include "backend/cuda/device.h"

using dinomaly::cuda::bf16;

struct cublasLtContext {};
struct cublasLtMatmulDescOpaque_t {
  cublasComputeType_t compute = CUBLAS_COMPUTE_32F;
  cublasOperation_t transA = CUBLAS_OP_N, transB = CUBLAS_OP_N;
  cublasLtEpilogue_t epilogue = CUBLASLT_EPILOGUE_DEFAULT;
  const void* bias = nullptr;
  cudaDataType_t biasType = CUDA_R_32F;
};
struct cublasLtMatrixLayoutOpaque_t {
  cudaDataType_t type;
  uint64_t rows, cols;
  int64_t stride;
};
struct cublasLtMatmulPreferenceOpaque_t {
  size_t workspace = 0;
};

namespace {

/// An element of a matrix, which lies column by column.
float at(const void* data, const cublasLtMatrixLayoutOpaque_t& m, uint64_t row, uint64_t col) {
  const uint64_t i = col * static_cast<uint64_t>(m.stride) + row;
  return m.type == CUDA_R_32F ? static_cast<const float*>(data)[i]
                              : dinomaly::cuda::toFloat(static_cast<const bf16*>(data)[i]);
}

void put(void* data, const cublasLtMatrixLayoutOpaque_t& m, uint64_t row, uint64_t col, double value) {
  const uint64_t i = col * static_cast<uint64_t>(m.stride) + row;
  const auto rounded = static_cast<float>(value);
  if (m.type == CUDA_R_32F) {
    static_cast<float*>(data)[i] = rounded;
  } else {
    static_cast<bf16*>(data)[i] = dinomaly::cuda::fromFloat<bf16>(rounded);
  }
}

/// To ten bits of fraction, to nearest, as tensor cores take f32.
float toTf32(float x) {
  const unsigned bits = dinomaly::cuda::__float_as_uint(x);
  return dinomaly::cuda::__uint_as_float((bits + 0xFFFu + (bits >> 13 & 1u)) & ~0x1FFFu);
}

/// All elements, the first index (of columns, or of rows where `byRows`) outermost.
std::vector<float> inOrder(const void* data, const cublasLtMatrixLayoutOpaque_t& m, bool byRows, bool tf32) {
  std::vector<float> values;
  values.reserve(m.rows * m.cols);
  for (uint64_t i = 0; i < (byRows ? m.rows : m.cols); ++i) {
    for (uint64_t j = 0; j < (byRows ? m.cols : m.rows); ++j) {
      const float value = byRows ? at(data, m, i, j) : at(data, m, j, i);
      values.push_back(tf32 ? toTf32(value) : value);
    }
  }
  return values;
}

/// What cuBLASLt refuses or computes nonsense from, of what products.cpp could get wrong.
bool fits(const cublasLtMatmulDescOpaque_t& desc, const cublasLtMatrixLayoutOpaque_t& a,
          const cublasLtMatrixLayoutOpaque_t& b, const cublasLtMatrixLayoutOpaque_t& c,
          const cublasLtMatrixLayoutOpaque_t& d) {
  const bool flippedA = desc.transA == CUBLAS_OP_T, flippedB = desc.transB == CUBLAS_OP_T;
  const uint64_t m = flippedA ? a.cols : a.rows, k = flippedA ? a.rows : a.cols;
  const uint64_t kOfB = flippedB ? b.cols : b.rows, n = flippedB ? b.rows : b.cols;
  for (const auto* layout : {&a, &b, &c, &d}) {
    if (layout->stride < static_cast<int64_t>(layout->rows) || !layout->rows || !layout->cols) return false;
  }
  return k == kOfB && d.rows == m && d.cols == n && c.rows == m && c.cols == n && a.type == b.type && c.type == d.type;
}

}  // namespace

size_t cublasLtGetVersion() {
  return 130000;
}

cublasStatus_t cublasLtCreate(cublasLtHandle_t* handle) {
  *handle = std::make_unique<cublasLtContext>().release();
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtDestroy(cublasLtHandle_t handle) {
  std::unique_ptr<cublasLtContext>{handle};
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulDescCreate(cublasLtMatmulDesc_t* desc, cublasComputeType_t compute, cudaDataType_t scale) {
  if (scale != CUDA_R_32F) return CUBLAS_STATUS_NOT_SUPPORTED;
  auto made = std::make_unique<cublasLtMatmulDescOpaque_t>();
  made->compute = compute;
  *desc = made.release();
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulDescDestroy(cublasLtMatmulDesc_t desc) {
  std::unique_ptr<cublasLtMatmulDescOpaque_t>{desc};
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t desc, cublasLtMatmulDescAttributes_t attribute,
                                              const void* value, size_t size) {
  const auto take = [&](auto& field) {
    if (size != sizeof field) return CUBLAS_STATUS_INVALID_VALUE;
    std::memcpy(&field, value, size);
    return CUBLAS_STATUS_SUCCESS;
  };
  switch (attribute) {
    case CUBLASLT_MATMUL_DESC_TRANSA:
      return take(desc->transA);
    case CUBLASLT_MATMUL_DESC_TRANSB:
      return take(desc->transB);
    case CUBLASLT_MATMUL_DESC_EPILOGUE:
      return take(desc->epilogue);
    case CUBLASLT_MATMUL_DESC_BIAS_POINTER:
      return take(desc->bias);
    case CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE:
      return take(desc->biasType);
  }
  return CUBLAS_STATUS_INVALID_VALUE;
}

cublasStatus_t cublasLtMatrixLayoutCreate(cublasLtMatrixLayout_t* layout, cudaDataType_t type, uint64_t rows,
                                          uint64_t cols, int64_t stride) {
  *layout =
      std::make_unique<cublasLtMatrixLayoutOpaque_t>(cublasLtMatrixLayoutOpaque_t{type, rows, cols, stride}).release();
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatrixLayoutDestroy(cublasLtMatrixLayout_t layout) {
  std::unique_ptr<cublasLtMatrixLayoutOpaque_t>{layout};
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t* preference) {
  *preference = std::make_unique<cublasLtMatmulPreferenceOpaque_t>().release();
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference_t preference) {
  std::unique_ptr<cublasLtMatmulPreferenceOpaque_t>{preference};
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulPreferenceSetAttribute(cublasLtMatmulPreference_t preference,
                                                    cublasLtMatmulPreferenceAttributes_t attribute, const void* value,
                                                    size_t size) {
  if (attribute != CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES || size != sizeof preference->workspace) {
    return CUBLAS_STATUS_INVALID_VALUE;
  }
  std::memcpy(&preference->workspace, value, size);
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t, cublasLtMatmulDesc_t desc, cublasLtMatrixLayout_t a,
                                              cublasLtMatrixLayout_t b, cublasLtMatrixLayout_t c,
                                              cublasLtMatrixLayout_t d, cublasLtMatmulPreference_t, int wanted,
                                              cublasLtMatmulHeuristicResult_t* results, int* found) {
  *found = 0;
  if (wanted < 1 || !fits(*desc, *a, *b, *c, *d)) return CUBLAS_STATUS_INVALID_VALUE;
  results[0] = {};
  *found = 1;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmul(cublasLtHandle_t, cublasLtMatmulDesc_t desc, const void* alpha, const void* a,
                              cublasLtMatrixLayout_t layoutA, const void* b, cublasLtMatrixLayout_t layoutB,
                              const void* beta, const void* c, cublasLtMatrixLayout_t layoutC, void* d,
                              cublasLtMatrixLayout_t layoutD, const cublasLtMatmulAlgo_t* algo, void*, size_t,
                              cudaStream_t) {
  if (!algo || !fits(*desc, *layoutA, *layoutB, *layoutC, *layoutD)) return CUBLAS_STATUS_INVALID_VALUE;
  const bool hasBias = desc->epilogue == CUBLASLT_EPILOGUE_BIAS;
  if (hasBias && (!desc->bias || desc->biasType != CUDA_R_32F)) return CUBLAS_STATUS_NOT_SUPPORTED;
  float scale, old;
  std::memcpy(&scale, alpha, sizeof scale);
  std::memcpy(&old, beta, sizeof old);
  const bool tf32 = desc->compute == CUBLAS_COMPUTE_32F_FAST_TF32;
  const std::vector<float> left = inOrder(a, *layoutA, desc->transA != CUBLAS_OP_T, tf32);
  const std::vector<float> right = inOrder(b, *layoutB, desc->transB == CUBLAS_OP_T, tf32);
  const uint64_t k = desc->transA == CUBLAS_OP_T ? layoutA->rows : layoutA->cols;
  for (uint64_t col = 0; col < layoutD->cols; ++col) {
    for (uint64_t row = 0; row < layoutD->rows; ++row) {
      const float *x = left.data() + row * k, *y = right.data() + col * k;
      double sum = 0;
      for (uint64_t i = 0; i < k; ++i) sum += static_cast<double>(x[i]) * y[i];
      sum *= scale;
      if (old != 0) sum += static_cast<double>(old) * at(c, *layoutC, row, col);  // c may be NaN where beta is 0
      if (hasBias) sum += static_cast<const float*>(desc->bias)[row];
      put(d, *layoutD, row, col, sum);
    }
  }
  return CUBLAS_STATUS_SUCCESS;
}
