#include "roof/products.h"

namespace dinomaly::roof {

std::vector<Product> productsOf(const Network& net, int64_t side, int64_t batch) {
  const int64_t d = net.dim, head = d / net.heads, blocks = net.encoderBlocks + net.decoderBlocks;
  const int64_t patches = (side / net.patch) * (side / net.patch), tokens = 1 + patches;
  const int64_t rows = batch * tokens, heads = batch * net.heads;
  return {
      {1, batch * patches, 3 * net.patch * net.patch, d, 1, true},  // patch embedding
      {1, rows, d, 3 * d, blocks, true},                            // q, k and v
      {1, rows, d, d, blocks, true},                                // attention's projection
      {1, rows, d, 4 * d, blocks + 1, true},                        // the MLPs, with the bottleneck's
      {1, rows, 4 * d, d, blocks + 1, true},
      {heads, tokens, head, tokens, net.encoderBlocks, false},  // q k^T
      {heads, tokens, tokens, head, net.encoderBlocks, false},  // softmax(...) v
      {heads, head, tokens, head, net.decoderBlocks, false},    // phi(k)^T v
      {heads, tokens, head, head, net.decoderBlocks, false},    // phi(q) (...)
  };
}

}  // namespace dinomaly::roof
