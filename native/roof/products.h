// The products that scoring a batch is made of.
#pragma once

#include <cstdint>
#include <vector>

namespace dinomaly::roof {

/// `matrices` independent products (m,k) (k,n), which the network computes `times` times.
struct Product {
  int64_t matrices, m, k, n, times;
  bool weights;  // whether the right side is always the same, so that it may lie in any order
};

struct Network {
  int64_t dim, heads, patch, encoderBlocks, decoderBlocks;  // those that are run
};

/// Linear layers, the patch embedding, and both products of either attention.
std::vector<Product> productsOf(const Network& network, int64_t side, int64_t batch);

}  // namespace dinomaly::roof
