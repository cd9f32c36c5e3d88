#include "backend/cuda/emulated/cublaslt.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <iterator>
#include <memory>
#include <vector>

#include "backend/cuda/device.h"
#include "backend/cuda/emulated/runtime.h"

using dinomaly::cuda::bf16;
using dinomaly::emulated::CublasLtAlgorithm;
using dinomaly::emulated::kCublasLtAlgorithms;

struct cublasLtContext {};
struct cublasLtMatmulDescOpaque_t {
  cublasComputeType_t compute = CUBLAS_COMPUTE_32F;
  cublasOperation_t transA = CUBLAS_OP_N, transB = CUBLAS_OP_N;
  cublasLtEpilogue_t epilogue = CUBLASLT_EPILOGUE_DEFAULT;
  const void* bias = nullptr;
  int32_t biasType = -1;  // that of the result
};
struct cublasLtMatrixLayoutOpaque_t {
  cudaDataType_t type;
  uint64_t rows, cols;
  int64_t stride;
};
struct cublasLtMatmulPreferenceOpaque_t {
  uint64_t workspace = 0;
  uint32_t schemes = CUBLASLT_REDUCTION_SCHEME_MASK;
  uint32_t alignments[4] = {256, 256, 256, 256};  // of A, B, C and D
};

namespace {

thread_local dinomaly::emulated::CublasLtLog used{};
thread_local cublasStatus_t productStatus = CUBLAS_STATUS_SUCCESS;

float element(const void* data, cudaDataType_t type, uint64_t i) {
  return type == CUDA_R_32F ? static_cast<const float*>(data)[i]
                            : dinomaly::cuda::toFloat(static_cast<const bf16*>(data)[i]);
}

/// An element of a matrix, which lies column by column.
float at(const void* data, const cublasLtMatrixLayoutOpaque_t& m, uint64_t row, uint64_t col) {
  return element(data, m.type, col * static_cast<uint64_t>(m.stride) + row);
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

struct Layouts {
  cublasLtMatrixLayoutOpaque_t a, b, c, d;
};
struct Operands {
  const void *a, *b, *c;
  void* d;
  float alpha, beta;
};

/// NVIDIA's table of what goes together, as far as it is used here.
bool typesFit(const cublasLtMatmulDescOpaque_t& desc, const Layouts& l) {
  const bool result = l.c.type == l.d.type && l.a.type == l.b.type;
  if (l.a.type == CUDA_R_32F) return result && l.d.type == CUDA_R_32F;
  return result && l.a.type == CUDA_R_16BF && desc.compute == CUBLAS_COMPUTE_32F;
}

bool shapesFit(const cublasLtMatmulDescOpaque_t& desc, const Layouts& l) {
  const bool flippedA = desc.transA == CUBLAS_OP_T, flippedB = desc.transB == CUBLAS_OP_T;
  const uint64_t m = flippedA ? l.a.cols : l.a.rows, k = flippedA ? l.a.rows : l.a.cols;
  const uint64_t kOfB = flippedB ? l.b.cols : l.b.rows, n = flippedB ? l.b.rows : l.b.cols;
  for (const auto* layout : {&l.a, &l.b, &l.c, &l.d}) {
    if (layout->stride < static_cast<int64_t>(layout->rows) || !layout->rows || !layout->cols) return false;
  }
  return k == kOfB && l.d.rows == m && l.d.cols == n && l.c.rows == m && l.c.cols == n;
}

bool hasBias(const cublasLtMatmulDescOpaque_t& desc) {
  return desc.epilogue != CUBLASLT_EPILOGUE_DEFAULT;
}

/// A bias is of the result's type, f32 for an f32 result of bf16 factors too (cublasLt.h, BIAS_DATA_TYPE).
bool epilogueFits(const cublasLtMatmulDescOpaque_t& desc, const Layouts& l) {
  if (!hasBias(desc)) return desc.epilogue == CUBLASLT_EPILOGUE_DEFAULT;
  const bool known = desc.epilogue == CUBLASLT_EPILOGUE_BIAS || desc.epilogue == CUBLASLT_EPILOGUE_GELU_BIAS;
  return known && (desc.biasType == -1 || desc.biasType == l.d.type);
}

cublasStatus_t fit(const cublasLtMatmulDescOpaque_t& desc, const Layouts& layouts) {
  if (!shapesFit(desc, layouts)) return CUBLAS_STATUS_INVALID_VALUE;
  return typesFit(desc, layouts) && epilogueFits(desc, layouts) ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_NOT_SUPPORTED;
}

cublasLtMatmulAlgo_t describe(const CublasLtAlgorithm& algorithm, const Layouts& l) {
  return {{algorithm.id, static_cast<uint64_t>(l.a.type), static_cast<uint64_t>(l.d.type)}};
}

/// Null for what is none, or one for other types.
const CublasLtAlgorithm* algorithmOf(const cublasLtMatmulAlgo_t& algo, const Layouts& l) {
  for (const CublasLtAlgorithm& algorithm : kCublasLtAlgorithms) {
    const cublasLtMatmulAlgo_t same = describe(algorithm, l);
    if (std::equal(std::begin(same.data), std::end(same.data), std::begin(algo.data))) return &algorithm;
  }
  return nullptr;
}

/// Whether the heuristic may propose it.
bool preferred(const CublasLtAlgorithm& algorithm, const cublasLtMatmulPreferenceOpaque_t& preference) {
  if (algorithm.workspace > preference.workspace) return false;
  if (algorithm.scheme != CUBLASLT_REDUCTION_SCHEME_NONE && !(algorithm.scheme & preference.schemes)) return false;
  return std::all_of(std::begin(preference.alignments), std::end(preference.alignments),
                     [&](uint32_t alignment) { return alignment >= algorithm.alignment; });
}

bool aligned(const void* data, uint64_t bytes) {
  return reinterpret_cast<uintptr_t>(data) % bytes == 0;
}

/// Whether an algorithm can run on what lies where it does.
bool placed(const CublasLtAlgorithm& algorithm, const cublasLtMatmulDescOpaque_t& desc, const Operands& o,
            const void* workspace, size_t workspaceSize) {
  if (workspaceSize < algorithm.workspace || (workspaceSize && !workspace) || !aligned(workspace, 16)) return false;
  for (const void* matrix : {o.a, o.b, o.c, static_cast<const void*>(o.d)}) {
    if (!matrix || !aligned(matrix, algorithm.alignment)) return false;
  }
  // On a device a bias that is less aligned is an access out of line in the kernel, or goes well by luck.
  return !hasBias(desc) || (desc.bias && aligned(desc.bias, 16));
}

void compute(const cublasLtMatmulDescOpaque_t& desc, const Layouts& l, const Operands& o) {
  const bool tf32 = desc.compute == CUBLAS_COMPUTE_32F_FAST_TF32;
  const std::vector<float> left = inOrder(o.a, l.a, desc.transA != CUBLAS_OP_T, tf32);
  const std::vector<float> right = inOrder(o.b, l.b, desc.transB == CUBLAS_OP_T, tf32);
  const uint64_t k = desc.transA == CUBLAS_OP_T ? l.a.rows : l.a.cols;
  for (uint64_t col = 0; col < l.d.cols; ++col) {
    for (uint64_t row = 0; row < l.d.rows; ++row) {
      const float *x = left.data() + row * k, *y = right.data() + col * k;
      double sum = 0;
      for (uint64_t i = 0; i < k; ++i) sum += static_cast<double>(x[i]) * y[i];
      sum *= o.alpha;
      if (o.beta != 0) sum += static_cast<double>(o.beta) * at(o.c, l.c, row, col);  // c may be NaN where beta is 0
      if (hasBias(desc)) sum += element(desc.bias, l.d.type, row);
      if (desc.epilogue == CUBLASLT_EPILOGUE_GELU_BIAS) sum = dinomaly::emulated::cublasLtGelu(sum);
      put(o.d, l.d, row, col, sum);
    }
  }
}

}  // namespace

size_t cublasLtGetVersion() {
  return 130000;
}

cublasStatus_t cublasLtCreate(cublasLtHandle_t* handle) {
  size_t free = 0, all = 0;
  if (cudaMemGetInfo(&free, &all) != cudaSuccess) return CUBLAS_STATUS_NOT_INITIALIZED;
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
  const auto take = [&](auto& field) {
    if (size != sizeof field) return CUBLAS_STATUS_INVALID_VALUE;
    std::memcpy(&field, value, size);
    return CUBLAS_STATUS_SUCCESS;
  };
  switch (attribute) {
    case CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES:
      return take(preference->workspace);
    case CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK:
      return take(preference->schemes);
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES:
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES:
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES:
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES:
      return take(preference->alignments[attribute - CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES]);
  }
  return CUBLAS_STATUS_INVALID_VALUE;
}

cublasStatus_t cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t, cublasLtMatmulDesc_t desc, cublasLtMatrixLayout_t a,
                                              cublasLtMatrixLayout_t b, cublasLtMatrixLayout_t c,
                                              cublasLtMatrixLayout_t d, cublasLtMatmulPreference_t preference,
                                              int wanted, cublasLtMatmulHeuristicResult_t* results, int* found) {
  *found = 0;
  if (wanted < 1) return CUBLAS_STATUS_INVALID_VALUE;
  const Layouts layouts{*a, *b, *c, *d};
  const cublasStatus_t status = fit(*desc, layouts);
  if (status != CUBLAS_STATUS_SUCCESS) return status;
  for (const CublasLtAlgorithm& algorithm : kCublasLtAlgorithms) {
    if (*found == wanted || !preferred(algorithm, *preference)) continue;
    cublasLtMatmulHeuristicResult_t& result = results[(*found)++];
    result = {};
    result.algo = describe(algorithm, layouts);
    result.workspaceSize = algorithm.workspace;
    result.state = algorithm.found ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_NOT_SUPPORTED;
  }
  return *found > 0 ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_NOT_SUPPORTED;
}

cublasStatus_t cublasLtMatmulAlgoCheck(cublasLtHandle_t, cublasLtMatmulDesc_t desc, cublasLtMatrixLayout_t a,
                                       cublasLtMatrixLayout_t b, cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d,
                                       const cublasLtMatmulAlgo_t* algo, cublasLtMatmulHeuristicResult_t* result) {
  const Layouts layouts{*a, *b, *c, *d};
  const cublasStatus_t status = fit(*desc, layouts);
  if (status != CUBLAS_STATUS_SUCCESS) return status;
  const CublasLtAlgorithm* const algorithm = algorithmOf(*algo, layouts);
  if (!algorithm) return CUBLAS_STATUS_INVALID_VALUE;
  if (!algorithm->found) return CUBLAS_STATUS_NOT_SUPPORTED;
  result->workspaceSize = algorithm->workspace;
  result->state = CUBLAS_STATUS_SUCCESS;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulAlgoConfigGetAttribute(const cublasLtMatmulAlgo_t* algo,
                                                    cublasLtMatmulAlgoConfigAttributes_t attribute, void* value,
                                                    size_t size, size_t* written) {
  const auto* const algorithm = std::find_if(std::begin(kCublasLtAlgorithms), std::end(kCublasLtAlgorithms),
                                             [&](const auto& a) { return a.id == algo->data[0]; });
  if (algorithm == std::end(kCublasLtAlgorithms) || attribute != CUBLASLT_ALGO_CONFIG_REDUCTION_SCHEME) {
    return CUBLAS_STATUS_INVALID_VALUE;
  }
  const auto scheme = static_cast<uint32_t>(algorithm->scheme);
  if (size != sizeof scheme) return CUBLAS_STATUS_INVALID_VALUE;
  std::memcpy(value, &scheme, size);
  *written = size;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmul(cublasLtHandle_t, cublasLtMatmulDesc_t desc, const void* alpha, const void* a,
                              cublasLtMatrixLayout_t layoutA, const void* b, cublasLtMatrixLayout_t layoutB,
                              const void* beta, const void* c, cublasLtMatrixLayout_t layoutC, void* d,
                              cublasLtMatrixLayout_t layoutD, const cublasLtMatmulAlgo_t* algo, void* workspace,
                              size_t workspaceSize, cudaStream_t stream) {
  const Layouts layouts{*layoutA, *layoutB, *layoutC, *layoutD};
  const cublasStatus_t status = fit(*desc, layouts);
  if (status != CUBLAS_STATUS_SUCCESS) return status;
  if (productStatus != CUBLAS_STATUS_SUCCESS) return productStatus;
  const CublasLtAlgorithm* const algorithm = algo ? algorithmOf(*algo, layouts) : nullptr;
  if (!algorithm) return CUBLAS_STATUS_INVALID_VALUE;
  if (!algorithm->found || !algorithm->runs) return CUBLAS_STATUS_NOT_SUPPORTED;
  Operands operands{a, b, c, d, 0, 0};
  std::memcpy(&operands.alpha, alpha, sizeof operands.alpha);
  std::memcpy(&operands.beta, beta, sizeof operands.beta);
  if (!placed(*algorithm, *desc, operands, workspace, workspaceSize)) return CUBLAS_STATUS_INVALID_VALUE;
  const auto multiply = [=, desc = *desc, algorithm = *algorithm] {
    compute(desc, layouts, operands);
    used = {used.time + algorithm.cost, used.products + 1, algorithm.id};
  };
  const cudaError_t error = dinomaly::emulated::enqueue(stream, multiply);
  return error == cudaSuccess ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_EXECUTION_FAILED;
}

namespace dinomaly::emulated {

const CublasLtLog& cublasLtLog() {
  return used;
}

void failProducts(cublasStatus_t status) {
  productStatus = status;
}

double cublasLtGelu(double x) {
  constexpr double kSqrtTwoOverPi = 0.79788456080286536;
  return 0.5 * x * (1 + std::tanh(kSqrtTwoOverPi * (x + 0.044715 * x * x * x)));
}

}  // namespace dinomaly::emulated
