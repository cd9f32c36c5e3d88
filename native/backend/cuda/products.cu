#include <string>
#include <type_traits>

#include "backend/cuda/cublaslt.h"
#include "backend/cuda/products.h"
#include "core/error.h"

namespace dinomaly::cuda {
namespace {

constexpr size_t kWorkspaceBytes = size_t{32} << 20;  // what NVIDIA recommends for 9.0

void checkProduct(cublasStatus_t status, const char* what) {
  if (status != CUBLAS_STATUS_SUCCESS) {
    throw Error("ERR_INTERNAL", std::string("cuBLASLt: ") + what + " failed with status " + std::to_string(status));
  }
}

template <typename T>
void setAttribute(cublasLtMatmulDesc_t desc, cublasLtMatmulDescAttributes_t attribute, const T& value) {
  checkProduct(cublasLt().matmulDescSetAttribute(desc, attribute, &value, sizeof value), "an attribute");
}

/// A handle of cuBLASLt's and what destroys it.
template <typename Opaque>
using Handle = std::unique_ptr<Opaque, cublasStatus_t (*)(Opaque*)>;
using Desc = Handle<std::remove_pointer_t<cublasLtMatmulDesc_t>>;
using Layout = Handle<std::remove_pointer_t<cublasLtMatrixLayout_t>>;
using Preference = Handle<std::remove_pointer_t<cublasLtMatmulPreference_t>>;

Layout layoutOf(cudaDataType_t type, int64_t rows, int64_t cols) {
  cublasLtMatrixLayout_t layout = nullptr;
  checkProduct(
      cublasLt().matrixLayoutCreate(&layout, type, static_cast<uint64_t>(rows), static_cast<uint64_t>(cols), rows),
      "a layout");
  return {layout, cublasLt().matrixLayoutDestroy};
}

}  // namespace

/// What is prepared once for a shape. cuBLASLt's matrices lie column by column, so it is asked for the transposed
/// product: y^T = right^T left^T, in which every row-major matrix is its own transpose.
class Products::Plan {
 public:
  Plan(cublasLtHandle_t handle, Precision precision, const Key& key)
      : desc_(nullptr, cublasLt().matmulDescDestroy),
        left_(nullptr, cublasLt().matrixLayoutDestroy),
        right_(nullptr, cublasLt().matrixLayoutDestroy),
        result_(nullptr, cublasLt().matrixLayoutDestroy) {
    const auto [leftTransposed, rightTransposed, m, n, k, hasBias, hasOld] = key;
    static_cast<void>(hasOld);
    const cublasComputeType_t compute =
        precision == Precision::tf32 ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F;
    cublasLtMatmulDesc_t desc = nullptr;
    checkProduct(cublasLt().matmulDescCreate(&desc, compute, CUDA_R_32F), "a product's description");
    desc_.reset(desc);
    setAttribute(desc, CUBLASLT_MATMUL_DESC_TRANSA, rightTransposed ? CUBLAS_OP_T : CUBLAS_OP_N);
    setAttribute(desc, CUBLASLT_MATMUL_DESC_TRANSB, leftTransposed ? CUBLAS_OP_T : CUBLAS_OP_N);
    if (hasBias) {
      setAttribute(desc, CUBLASLT_MATMUL_DESC_EPILOGUE, CUBLASLT_EPILOGUE_BIAS);
      setAttribute(desc, CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE, CUDA_R_32F);
    }
    const cudaDataType_t type = precision == Precision::bf16 ? CUDA_R_16BF : CUDA_R_32F;
    right_ = rightTransposed ? layoutOf(type, k, n) : layoutOf(type, n, k);
    left_ = leftTransposed ? layoutOf(type, m, k) : layoutOf(type, k, m);
    result_ = layoutOf(CUDA_R_32F, n, m);

    cublasLtMatmulPreference_t made = nullptr;
    checkProduct(cublasLt().matmulPreferenceCreate(&made), "a preference");
    const Preference preference(made, cublasLt().matmulPreferenceDestroy);
    checkProduct(cublasLt().matmulPreferenceSetAttribute(made, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES,
                                                         &kWorkspaceBytes, sizeof kWorkspaceBytes),
                 "a preference");
    cublasLtMatmulHeuristicResult_t found{};
    int count = 0;
    checkProduct(cublasLt().matmulAlgoGetHeuristic(handle, desc, right_.get(), left_.get(), result_.get(),
                                                   result_.get(), made, 1, &found, &count),
                 "the choice of an algorithm");
    if (count < 1) {
      throw Error("ERR_INTERNAL", "cuBLASLt knows no algorithm for a product of " + std::to_string(m) + "x" +
                                      std::to_string(k) + " by " + std::to_string(k) + "x" + std::to_string(n));
    }
    algorithm_ = found.algo;
  }

  void run(cublasLtHandle_t handle, Stream stream, float* y, const void* left, const void* right, const float* bias,
           const float* old, void* workspace) const {
    const float one = 1, kept = old ? 1.0f : 0.0f;
    if (bias) setAttribute(desc_.get(), CUBLASLT_MATMUL_DESC_BIAS_POINTER, bias);
    checkProduct(
        cublasLt().matmul(handle, desc_.get(), &one, right, right_.get(), left, left_.get(), &kept, old ? old : y,
                          result_.get(), y, result_.get(), &algorithm_, workspace, kWorkspaceBytes, stream),
        "a product");
  }

 private:
  Desc desc_;
  Layout left_, right_, result_;
  cublasLtMatmulAlgo_t algorithm_{};
};

Products::Products(Precision precision) : precision_(precision), workspace_(kWorkspaceBytes) {
  openCublasLt(nullptr);
  cublasLtHandle_t handle = nullptr;
  checkProduct(cublasLt().create(&handle), "its start");
  handle_ = handle;
}

Products::~Products() {
  plans_.clear();
  cublasLt().destroy(static_cast<cublasLtHandle_t>(handle_));
}

template <typename T>
void Products::multiply(Stream stream, float* y, Factor<T> left, Factor<T> right, int64_t m, int64_t n, int64_t k,
                        const float* bias, const float* old) {
  if (std::is_same_v<T, bf16> != (precision_ == Precision::bf16)) {
    throw Error("ERR_INTERNAL", "a product whose factors are not of the precision that was asked for");
  }
  auto* const handle = static_cast<cublasLtHandle_t>(handle_);
  const Key key{left.transposed, right.transposed, m, n, k, bias != nullptr, old != nullptr};
  std::unique_ptr<Plan>& plan = plans_[key];
  if (!plan) plan = std::make_unique<Plan>(handle, precision_, key);
  plan->run(handle, stream, y, left.data, right.data, bias, old, workspace_.data());
}

template void Products::multiply(Stream, float*, Factor<float>, Factor<float>, int64_t, int64_t, int64_t, const float*,
                                 const float*);
template void Products::multiply(Stream, float*, Factor<bf16>, Factor<bf16>, int64_t, int64_t, int64_t, const float*,
                                 const float*);

}  // namespace dinomaly::cuda
