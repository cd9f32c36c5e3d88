// Matrix products by cuBLASLt.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "backend/cuda/launch.h"
#include "backend/cuda/memory.h"
#include "backend/cuda/product_choices.h"

namespace dinomaly::cuda {

/// A row-major factor as it lies in memory, or its transpose.
template <typename T>
struct Factor {
  const T* data;
  bool transposed = false;
};

/// What is done to a product on its way to y. Null: left out.
template <typename Y>
struct ProductEpilogue {
  const Y* bias = nullptr;  // (n)
  /// Of product + bias. cuBLASLt's has tanh where the exact one has erf, and differs by up to 4.74e-4: where the value
  /// is positive by at most 0.103 of what rounding to bf16 may change, by more than that only in values within 0.044 of
  /// zero. So only for bf16 results; others have a kernel of their own for the exact one.
  bool gelu = false;
  const Y* old = nullptr;  // (m,n), may be y
};

/// How an algorithm is found for a product that there is no stored choice for.
enum class Choosing {
  first,  // the one that cuBLASLt holds for the quickest: the same in each process
  timed,  // the quickest of up to sixteen, from then on a stored choice
};

/// Sums are split only in ways that add the parts in f32 and in a step of their own: neither atomics nor bf16 in
/// between. The first product of a shape prepares it, and where it is timed waits for the device and allocates: it must
/// not be recorded. One stream at a time, since the workspace is shared.
class Products {
 public:
  explicit Products(Precision precision, Choosing choosing = Choosing::first);
  ~Products();
  Products(const Products&) = delete;
  Products& operator=(const Products&) = delete;

  /// y (m,n) = left (m,k) right (k,n) + bias + old, or gelu of the first two; all row-major and dense, and at 16 bytes:
  /// the kernels that read 16 bytes at once are worth more than tensors anywhere, and for a bias cuBLASLt has no way to
  /// be told of less. Factors are bf16 where the precision says so, else float; float ones have float results.
  template <typename T, typename Y>
  void multiply(Stream stream, Y* y, Factor<T> left, Factor<T> right, int64_t m, int64_t n, int64_t k,
                const ProductEpilogue<Y>& epilogue = {});

  /// Those that were stored and those that were timed, less what cuBLASLt refused.
  const ProductChoices& choices() const { return choices_; }
  /// Takes in a ProductChoices::text(), for products that were used already too. Throws ERR_FILE_FORMAT.
  void addChoices(const std::string& text);

 private:
  class Plan;
  struct Operands;

  const Plan& planFor(Stream stream, const ProductShape& shape, const Operands& operands);
  bool takeStored(Plan& plan, const ProductShape& shape);
  bool takeQuickest(Plan& plan, Stream stream, const ProductShape& shape, const Operands& operands);

  Precision precision_;
  Choosing choosing_;
  ProductPlace place_;
  DeviceMemory workspace_;
  void* handle_ = nullptr;
  ProductChoices choices_;
  std::map<ProductShape, std::unique_ptr<Plan>> plans_;  // a network has a dozen shapes
};

}  // namespace dinomaly::cuda
