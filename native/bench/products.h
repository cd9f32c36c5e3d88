// The products that scoring a batch is made of.
#pragma once

#include <cstdint>
#include <vector>

#include "bench/work.h"

namespace dinomaly::bench {

/// `matrices` independent products (m,k) (k,n), which the network computes `times` times.
struct Product {
  int64_t matrices, m, k, n, times;
  bool weights;  // whether the right side is always the same, so that it may lie in any order
};

/// Linear layers, the patch embedding, and both products of either attention; of layers that are run.
std::vector<Product> productsOf(const Work& work);

}  // namespace dinomaly::bench
