// The arguments that products.cpp gives cuBLASLt, held against plain products, and what the emulated library refuses.
#include "backend/cuda/cublaslt.h"
#include "backend/cuda/products.h"
#include "cuda_support.h"

using namespace dinomaly;
using namespace dinomaly::cuda;

namespace {

/// y = left right + bias + old in double, of row-major matrices or their transposes.
std::vector<float> plainProduct(const std::vector<float>& left, bool leftTransposed, const std::vector<float>& right,
                                bool rightTransposed, int64_t m, int64_t n, int64_t k, const float* bias,
                                const std::vector<float>& old) {
  std::vector<float> y;
  for (int64_t i = 0; i < m; ++i) {
    for (int64_t j = 0; j < n; ++j) {
      double sum = bias ? bias[j] : 0;
      if (!old.empty()) sum += old[static_cast<size_t>(i * n + j)];
      for (int64_t p = 0; p < k; ++p) {
        sum += static_cast<double>(left[static_cast<size_t>(leftTransposed ? p * m + i : i * k + p)]) *
               right[static_cast<size_t>(rightTransposed ? j * k + p : p * n + j)];
      }
      y.push_back(static_cast<float>(sum));
    }
  }
  return y;
}

template <typename T>
void check(Precision precision, float tolerance) {
  constexpr int64_t m = 7, n = 12, k = 19;  // all different, so that no two can be mistaken for each other
  Products products(precision);
  const std::vector<T> left = as<T>(noise(m * k, 1)), right = as<T>(noise(k * n, 2));
  const std::vector<float> bias = noise(n, 3), old = noise(m * n, 4);
  for (const bool leftTransposed : {false, true}) {
    for (const bool rightTransposed : {false, true}) {
      for (const bool hasBias : {false, true}) {
        for (const bool hasOld : {false, true}) {
          std::vector<float> y = hasOld ? old : std::vector<float>(m * n, NAN);
          products.multiply<T>(Stream(), y.data(), {left.data(), leftTransposed}, {right.data(), rightTransposed}, m, n,
                               k, hasBias ? bias.data() : nullptr, hasOld ? y.data() : nullptr);
          const auto expected = plainProduct(floats(left), leftTransposed, floats(right), rightTransposed, m, n, k,
                                             hasBias ? bias.data() : nullptr, hasOld ? old : std::vector<float>());
          CHECK(difference(y, expected) <= tolerance);
        }
      }
    }
  }
}

}  // namespace

TEST_CASE("products through cuBLASLt agree with plain loops, transposed or not, with bias and onto what is there") {
  check<float>(Precision::f32, 1e-6f);
  check<float>(Precision::tf32, 2e-3f);
  check<bf16>(Precision::bf16, 1e-6f);  // of factors that are bf16 already, with f32 sums
}

TEST_CASE("products refuse factors of another precision") {
  Products products(Precision::bf16);
  std::vector<float> x(4), y(4);
  CHECK_THROWS(products.multiply<float>(Stream(), y.data(), {x.data()}, {x.data()}, 2, 2, 2));
}

TEST_CASE("the emulated cuBLASLt refuses shapes that do not meet and strides that are too small") {
  cublasLtHandle_t handle = nullptr;
  cublasLtMatmulDesc_t desc = nullptr;
  cublasLtMatrixLayout_t a = nullptr, b = nullptr, d = nullptr, narrow = nullptr;
  REQUIRE(cublasLtCreate(&handle) == CUBLAS_STATUS_SUCCESS);
  REQUIRE(cublasLtMatmulDescCreate(&desc, CUBLAS_COMPUTE_32F, CUDA_R_32F) == CUBLAS_STATUS_SUCCESS);
  REQUIRE(cublasLtMatrixLayoutCreate(&a, CUDA_R_32F, 2, 3, 2) == CUBLAS_STATUS_SUCCESS);
  REQUIRE(cublasLtMatrixLayoutCreate(&b, CUDA_R_32F, 3, 5, 3) == CUBLAS_STATUS_SUCCESS);
  REQUIRE(cublasLtMatrixLayoutCreate(&d, CUDA_R_32F, 2, 5, 2) == CUBLAS_STATUS_SUCCESS);
  REQUIRE(cublasLtMatrixLayoutCreate(&narrow, CUDA_R_32F, 2, 5, 1) == CUBLAS_STATUS_SUCCESS);
  const std::vector<float> x(15, 1.0f);
  std::vector<float> y(10);
  const float one = 1, none = 0;
  const cublasLtMatmulAlgo_t algorithm{};
  const auto product = [&](cublasLtMatrixLayout_t left, cublasLtMatrixLayout_t right, cublasLtMatrixLayout_t result) {
    return cublasLtMatmul(handle, desc, &one, x.data(), left, x.data(), right, &none, y.data(), result, y.data(),
                          result, &algorithm, nullptr, 0, nullptr);
  };
  CHECK(product(a, b, d) == CUBLAS_STATUS_SUCCESS);
  CHECK(y == std::vector<float>(10, 3.0f));
  CHECK(product(b, a, d) == CUBLAS_STATUS_INVALID_VALUE);
  CHECK(product(a, b, a) == CUBLAS_STATUS_INVALID_VALUE);
  CHECK(product(a, b, narrow) == CUBLAS_STATUS_INVALID_VALUE);
  for (auto* layout : {a, b, d, narrow}) cublasLtMatrixLayoutDestroy(layout);
  cublasLtMatmulDescDestroy(desc);
  cublasLtDestroy(handle);
}
