#include "bench/products.h"

namespace dinomaly::bench {

std::vector<Product> productsOf(const Work& work) {
  const EncoderConfig& encoder = work.network.encoder;
  const int64_t encoded = encoder.targets.back() + 1, decoded = work.network.decoderDepth, blocks = encoded + decoded;
  const int64_t patches = (work.side / encoder.patch) * (work.side / encoder.patch);
  const int64_t tokens = 1 + encoder.registers + patches, rows = work.batch * tokens;
  const int64_t d = encoder.dim, head = d / encoder.heads, heads = work.batch * encoder.heads;
  return {
      {1, work.batch * patches, 3 * encoder.patch * encoder.patch, d, 1, true},  // patch embedding
      {1, rows, d, 3 * d, blocks, true},                                         // q, k and v
      {1, rows, d, d, blocks, true},                                             // attention's projection
      {1, rows, d, 4 * d, blocks + 1, true},                                     // the MLPs, with the bottleneck's
      {1, rows, 4 * d, d, blocks + 1, true},
      {heads, tokens, head, tokens, encoded, false},  // q k^T
      {heads, tokens, tokens, head, encoded, false},  // softmax(...) v
      {heads, head, tokens, head, decoded, false},    // phi(k)^T v
      {heads, tokens, head, head, decoded, false},    // phi(q) (...)
  };
}

}  // namespace dinomaly::bench
