// Matrix products by cuBLASLt.
#pragma once

#include <map>
#include <memory>
#include <tuple>

#include "backend/cuda/launch.h"
#include "backend/cuda/memory.h"
#include "backend/library/interface.h"

namespace dinomaly::cuda {

/// What the factors of a product are rounded to; sums are f32 in each.
using library::Precision;

/// A row-major factor as it lies in memory, or its transpose.
template <typename T>
struct Factor {
  const T* data;
  bool transposed = false;
};

class Products {
 public:
  explicit Products(Precision precision);
  ~Products();
  Products(const Products&) = delete;
  Products& operator=(const Products&) = delete;

  Precision precision() const { return precision_; }

  /// y (m,n) = left (m,k) right (k,n) + bias (n) + old (m,n), all row-major and dense; bias and old may be null, old
  /// may be y. Factors are bf16 where the precision says so, else f32.
  template <typename T>
  void multiply(Stream stream, float* y, Factor<T> left, Factor<T> right, int64_t m, int64_t n, int64_t k,
                const float* bias = nullptr, const float* old = nullptr);

 private:
  class Plan;
  using Key = std::tuple<bool, bool, int64_t, int64_t, int64_t, bool, bool>;

  Precision precision_;
  void* handle_ = nullptr;
  std::map<Key, std::unique_ptr<Plan>> plans_;  // a network has a dozen shapes
  DeviceMemory workspace_;
};

}  // namespace dinomaly::cuda
