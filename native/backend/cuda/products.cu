#include <algorithm>
#include <string>
#include <type_traits>
#include <vector>

#include "backend/cuda/cublaslt.h"
#include "backend/cuda/products.h"
#include "backend/cuda/properties.h"
#include "backend/cuda/stopwatch.h"
#include "core/error.h"

namespace dinomaly::cuda {
namespace {

constexpr size_t kWorkspaceBytes = size_t{32} << 20;  // what NVIDIA recommends for 9.0
constexpr uint32_t kAlignment = 16;
constexpr int kMostCandidates = 16;
constexpr size_t kTimedRuns = 5;
/// How the parts of a split sum may come together, besides not being split.
constexpr uint32_t kReductionSchemes = CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE;

static_assert(sizeof(cublasLtMatmulAlgo_t) == sizeof(ProductAlgorithm));

/// EXECUTION_FAILED: a kernel failed, and whoever waits next would hear of it.
const char* codeOf(cublasStatus_t status) {
  switch (status) {
    case CUBLAS_STATUS_ALLOC_FAILED:
      return "ERR_OUT_OF_MEMORY";
    case CUBLAS_STATUS_EXECUTION_FAILED:
      return "ERR_DEVICE_LOST";
    case CUBLAS_STATUS_NOT_INITIALIZED:
    case CUBLAS_STATUS_ARCH_MISMATCH:
      return "ERR_DEVICE_UNAVAILABLE";
    default:
      return "ERR_INTERNAL";
  }
}

void checkProduct(cublasStatus_t status, const char* what) {
  if (status == CUBLAS_STATUS_SUCCESS) return;
  check(cudaGetLastError(), what);  // CUDA says more, if it was CUDA
  const char* const code = codeOf(status);
  throw Error(code, std::string("cuBLASLt, ") + what + ": expected success, found status " + std::to_string(status) +
                        " with " + std::to_string(freeMemory() >> 20) +
                        " MiB of device memory free: " + adviceFor(code));
}

template <typename T>
void setAttribute(cublasLtMatmulDesc_t desc, cublasLtMatmulDescAttributes_t attribute, const T& value) {
  checkProduct(cublasLt().matmulDescSetAttribute(desc, attribute, &value, sizeof value), "an attribute");
}

template <typename T>
void setAttribute(cublasLtMatmulPreference_t preference, cublasLtMatmulPreferenceAttributes_t attribute,
                  const T& value) {
  checkProduct(cublasLt().matmulPreferenceSetAttribute(preference, attribute, &value, sizeof value), "a preference");
}

/// A handle of cuBLASLt's and what destroys it.
template <typename Opaque>
using Handle = std::unique_ptr<Opaque, cublasStatus_t (*)(Opaque*)>;
using Desc = Handle<std::remove_pointer_t<cublasLtMatmulDesc_t>>;
using Layout = Handle<std::remove_pointer_t<cublasLtMatrixLayout_t>>;
using Preference = Handle<std::remove_pointer_t<cublasLtMatmulPreference_t>>;

Desc descFor(const ProductShape& shape) {
  const cublasComputeType_t compute =
      shape.precision == Precision::tf32 ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F;
  cublasLtMatmulDesc_t desc = nullptr;
  checkProduct(cublasLt().matmulDescCreate(&desc, compute, CUDA_R_32F), "a product's description");
  return {desc, cublasLt().matmulDescDestroy};
}

Layout layoutOf(cudaDataType_t type, int64_t rows, int64_t cols) {
  cublasLtMatrixLayout_t layout = nullptr;
  checkProduct(
      cublasLt().matrixLayoutCreate(&layout, type, static_cast<uint64_t>(rows), static_cast<uint64_t>(cols), rows),
      "a layout");
  return {layout, cublasLt().matrixLayoutDestroy};
}

Preference preference() {
  cublasLtMatmulPreference_t made = nullptr;
  checkProduct(cublasLt().matmulPreferenceCreate(&made), "a preference");
  Preference preference(made, cublasLt().matmulPreferenceDestroy);
  setAttribute(made, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, uint64_t{kWorkspaceBytes});
  setAttribute(made, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, kReductionSchemes);
  for (const auto attribute :
       {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES,
        CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES}) {
    setAttribute(made, attribute, kAlignment);  // else it counts on 256
  }
  return preference;
}

/// A stored algorithm has not come through preference().
bool sumsAsPreferred(const cublasLtMatmulAlgo_t& algorithm) {
  uint32_t scheme = 0;
  size_t written = 0;
  return cublasLt().matmulAlgoConfigGetAttribute(&algorithm, CUBLASLT_ALGO_CONFIG_REDUCTION_SCHEME, &scheme,
                                                 sizeof scheme, &written) == CUBLAS_STATUS_SUCCESS &&
         (scheme & ~kReductionSchemes) == 0;
}

cublasLtMatmulAlgo_t unpacked(const ProductAlgorithm& words) {
  cublasLtMatmulAlgo_t algorithm{};
  std::copy(words.begin(), words.end(), algorithm.data);
  return algorithm;
}

ProductAlgorithm packed(const cublasLtMatmulAlgo_t& algorithm) {
  ProductAlgorithm words{};
  std::copy_n(algorithm.data, words.size(), words.begin());
  return words;
}

std::string sizesOf(const ProductShape& s) {
  return std::to_string(s.m) + "x" + std::to_string(s.k) + " by " + std::to_string(s.k) + "x" + std::to_string(s.n);
}

ProductPlace here() {
  const Properties p = properties();
  return {p.name, p.computeMajor, p.computeMinor, cublasLt().getVersion()};
}

}  // namespace

struct Products::Operands {
  void* y;
  const void *left, *right, *bias, *old;

  void checkAligned() const {
    for (const void* data : {static_cast<const void*>(y), left, right, bias, old}) {
      const auto beyond = reinterpret_cast<uintptr_t>(data) % kAlignment;
      if (beyond == 0) continue;
      throw Error("ERR_INTERNAL", "a product: expected all that it reads and writes at multiples of " +
                                      std::to_string(kAlignment) + " bytes, found " + std::to_string(beyond) +
                                      " beyond one");
    }
  }
};

/// What is prepared once for a shape. cuBLASLt's matrices lie column by column, so it is asked for the transposed
/// product: y^T = right^T left^T, in which every row-major matrix is its own transpose.
class Products::Plan {
 public:
  explicit Plan(const ProductShape& shape)
      : desc_(descFor(shape)),
        left_(factor(shape, shape.leftTransposed, shape.m, shape.k)),
        right_(factor(shape, shape.rightTransposed, shape.k, shape.n)),
        result_(layoutOf(shape.bf16Result ? CUDA_R_16BF : CUDA_R_32F, shape.n, shape.m)) {
    setAttribute(desc_.get(), CUBLASLT_MATMUL_DESC_TRANSA, shape.rightTransposed ? CUBLAS_OP_T : CUBLAS_OP_N);
    setAttribute(desc_.get(), CUBLASLT_MATMUL_DESC_TRANSB, shape.leftTransposed ? CUBLAS_OP_T : CUBLAS_OP_N);
    if (shape.bias) {
      setAttribute(desc_.get(), CUBLASLT_MATMUL_DESC_EPILOGUE,
                   shape.gelu ? CUBLASLT_EPILOGUE_GELU_BIAS : CUBLASLT_EPILOGUE_BIAS);
      setAttribute(desc_.get(), CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE, shape.bf16Result ? CUDA_R_16BF : CUDA_R_32F);
    }
  }

  /// Before anything else that follows: how a bias is aligned, cuBLASLt sees from its address.
  void setBias(const void* bias) const {
    if (bias) setAttribute(desc_.get(), CUBLASLT_MATMUL_DESC_BIAS_POINTER, bias);
  }

  /// The quickest first, as cuBLASLt expects.
  std::vector<cublasLtMatmulAlgo_t> candidates(cublasLtHandle_t handle) const {
    cublasLtMatmulHeuristicResult_t found[kMostCandidates] = {};
    int count = 0;
    const cublasStatus_t status =
        cublasLt().matmulAlgoGetHeuristic(handle, desc_.get(), right_.get(), left_.get(), result_.get(), result_.get(),
                                          preference().get(), kMostCandidates, found, &count);
    if (status != CUBLAS_STATUS_NOT_SUPPORTED) checkProduct(status, "the search for an algorithm");  // it means: none
    std::vector<cublasLtMatmulAlgo_t> candidates;
    for (int i = 0; i < count; ++i) {
      if (found[i].state == CUBLAS_STATUS_SUCCESS) candidates.push_back(found[i].algo);
    }
    return candidates;
  }

  bool accepts(cublasLtHandle_t handle, const cublasLtMatmulAlgo_t& algorithm) const {
    cublasLtMatmulHeuristicResult_t result{};
    return cublasLt().matmulAlgoCheck(handle, desc_.get(), right_.get(), left_.get(), result_.get(), result_.get(),
                                      &algorithm, &result) == CUBLAS_STATUS_SUCCESS &&
           result.workspaceSize <= kWorkspaceBytes && sumsAsPreferred(algorithm);
  }

  cublasStatus_t run(cublasLtHandle_t handle, Stream stream, const Operands& o, const cublasLtMatmulAlgo_t& algorithm,
                     void* workspace) const {
    const float one = 1, kept = o.old ? 1.0f : 0.0f;
    return cublasLt().matmul(handle, desc_.get(), &one, o.right, right_.get(), o.left, left_.get(), &kept,
                             o.old ? o.old : o.y, result_.get(), o.y, result_.get(), &algorithm, workspace,
                             kWorkspaceBytes, stream);
  }

  cublasLtMatmulAlgo_t algorithm{};  // the chosen one

 private:
  static Layout factor(const ProductShape& shape, bool transposed, int64_t rows, int64_t cols) {
    const cudaDataType_t type = shape.precision == Precision::bf16 ? CUDA_R_16BF : CUDA_R_32F;
    return transposed ? layoutOf(type, rows, cols) : layoutOf(type, cols, rows);
  }

  Desc desc_;
  Layout left_, right_, result_;
};

Products::Products(Precision precision, Choosing choosing)
    : precision_(precision), choosing_(choosing), workspace_(kWorkspaceBytes) {
  openCublasLt(nullptr);
  place_ = here();
  cublasLtHandle_t handle = nullptr;
  checkProduct(cublasLt().create(&handle), "its start");
  handle_ = handle;
}

Products::~Products() {
  plans_.clear();
  cublasLt().destroy(static_cast<cublasLtHandle_t>(handle_));
}

void Products::addChoices(const std::string& text) {
  choices_.add(text);
  plans_.clear();  // so that each looks again
}

bool Products::takeStored(Plan& plan, const ProductShape& shape) {
  const ProductAlgorithm* const stored = choices_.find(place_, shape);
  if (!stored) return false;
  plan.algorithm = unpacked(*stored);
  if (plan.accepts(static_cast<cublasLtHandle_t>(handle_), plan.algorithm)) return true;
  choices_.drop(place_, shape);
  return false;
}

/// False where there is no memory for a result that nobody reads; y may be what is added to it.
bool Products::takeQuickest(Plan& plan, Stream stream, const ProductShape& shape, const Operands& operands) {
  auto* const handle = static_cast<cublasLtHandle_t>(handle_);
  const size_t bytes = static_cast<size_t>(shape.m * shape.n) * (shape.bf16Result ? sizeof(bf16) : sizeof(float));
  const std::unique_ptr<void, void (*)(void*)> result(takeMemory(bytes), giveMemory);
  if (!result) return false;
  Operands apart = operands;
  apart.y = result.get();
  float least = 0;
  bool any = false;
  for (const cublasLtMatmulAlgo_t& candidate : plan.candidates(handle)) {
    if (plan.run(handle, stream, apart, candidate, workspace_.data()) != CUBLAS_STATUS_SUCCESS) continue;
    Stopwatch watch(kTimedRuns + 1);
    watch.mark(stream);
    for (size_t i = 0; i < kTimedRuns; ++i) {
      checkProduct(plan.run(handle, stream, apart, candidate, workspace_.data()), "a product");
      watch.mark(stream);
    }
    std::vector<float> laps = watch.laps();
    std::nth_element(laps.begin(), laps.begin() + kTimedRuns / 2, laps.end());
    const float median = laps[kTimedRuns / 2];
    if (any && median >= least) continue;
    any = true;
    least = median;
    plan.algorithm = candidate;
  }
  if (any) choices_.keep(place_, shape, packed(plan.algorithm));
  return any;
}

const Products::Plan& Products::planFor(Stream stream, const ProductShape& shape, const Operands& operands) {
  const auto known = plans_.find(shape);
  if (known != plans_.end()) {
    known->second->setBias(operands.bias);
    return *known->second;
  }
  auto plan = std::make_unique<Plan>(shape);
  plan->setBias(operands.bias);
  const bool chosen =
      takeStored(*plan, shape) || (choosing_ == Choosing::timed && takeQuickest(*plan, stream, shape, operands));
  if (!chosen) {
    const auto candidates = plan->candidates(static_cast<cublasLtHandle_t>(handle_));
    if (candidates.empty()) {
      throw Error("ERR_INTERNAL", "cuBLASLt knows no algorithm for a product of " + sizesOf(shape));
    }
    plan->algorithm = candidates.front();
  }
  return *plans_.emplace(shape, std::move(plan)).first->second;
}

template <typename T, typename Y>
void Products::multiply(Stream stream, Y* y, Factor<T> left, Factor<T> right, int64_t m, int64_t n, int64_t k,
                        const ProductEpilogue<Y>& epilogue) {
  static_assert(std::is_same_v<Y, float> || std::is_same_v<T, bf16>);
  if (std::is_same_v<T, bf16> != (precision_ == Precision::bf16)) {
    throw Error("ERR_INTERNAL", "a product whose factors are not of the precision that was asked for");
  }
  if (epilogue.gelu && (!std::is_same_v<Y, bf16> || !epilogue.bias || epilogue.old)) {
    throw Error("ERR_INTERNAL", "a product with GELU: expected a bf16 result, a bias and nothing to add to");
  }
  const ProductShape shape{precision_, std::is_same_v<Y, bf16>,  left.transposed, right.transposed,       m, n,
                           k,          epilogue.bias != nullptr, epilogue.gelu,   epilogue.old != nullptr};
  const Operands operands{y, left.data, right.data, epilogue.bias, epilogue.old};
  operands.checkAligned();
  const Plan& plan = planFor(stream, shape, operands);
  checkProduct(plan.run(static_cast<cublasLtHandle_t>(handle_), stream, operands, plan.algorithm, workspace_.data()),
               "a product");
}

template void Products::multiply(Stream, float*, Factor<float>, Factor<float>, int64_t, int64_t, int64_t,
                                 const ProductEpilogue<float>&);
template void Products::multiply(Stream, float*, Factor<bf16>, Factor<bf16>, int64_t, int64_t, int64_t,
                                 const ProductEpilogue<float>&);
template void Products::multiply(Stream, bf16*, Factor<bf16>, Factor<bf16>, int64_t, int64_t, int64_t,
                                 const ProductEpilogue<bf16>&);

}  // namespace dinomaly::cuda
