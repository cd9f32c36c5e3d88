// Which of cuBLASLt's algorithms a product takes where that has been found by timing, and the text in which it is kept.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <tuple>
#include <utility>

#include "backend/library/interface.h"

namespace dinomaly::cuda {

/// What factors are rounded to; sums are f32 in each.
using library::Precision;

/// Where a choice holds: an algorithm means nothing to another version of cuBLASLt, and is slow on another device.
struct ProductPlace {
  std::string device;  // its name
  int computeMajor, computeMinor;
  uint64_t cublasLt;  // version
};

/// y (m,n) = left (m,k) right (k,n), with what is done to it on the way.
struct ProductShape {
  Precision precision;
  bool bf16Result, leftTransposed, rightTransposed;
  int64_t m, n, k;
  bool bias, gelu, old;
};

inline bool operator<(const ProductPlace& a, const ProductPlace& b) {
  const auto tie = [](const ProductPlace& p) { return std::tie(p.device, p.computeMajor, p.computeMinor, p.cublasLt); };
  return tie(a) < tie(b);
}
inline bool operator<(const ProductShape& a, const ProductShape& b) {
  const auto tie = [](const ProductShape& s) {
    return std::tie(s.precision, s.bf16Result, s.leftTransposed, s.rightTransposed, s.m, s.n, s.k, s.bias, s.gelu,
                    s.old);
  };
  return tie(a) < tie(b);
}

/// A cublasLtMatmulAlgo_t. The workspace that it needs is not kept: cuBLASLt says so when it checks one.
using ProductAlgorithm = std::array<uint64_t, 8>;

class ProductChoices {
 public:
  /// Null where nothing was chosen.
  const ProductAlgorithm* find(const ProductPlace& place, const ProductShape& shape) const;
  void keep(const ProductPlace& place, const ProductShape& shape, const ProductAlgorithm& algorithm);
  void drop(const ProductPlace& place, const ProductShape& shape);

  /// All of them, in an order that stays: a line with the format's version, then one for each choice.
  std::string text() const;
  /// Takes in what text() gave, over what there is for the same products. Throws ERR_FILE_FORMAT for anything else,
  /// and has taken nothing then.
  void add(const std::string& text);

 private:
  std::map<std::pair<ProductPlace, ProductShape>, ProductAlgorithm> choices_;
};

}  // namespace dinomaly::cuda
