// The network's shapes, at which operations are measured.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace dinomaly::table {

struct Network {
  std::string name;
  int64_t images, side, dim, heads;
  int64_t encoderBlocks = 10, decoderBlocks = 8;  // up to the last target
  int64_t wideBlocks = 2;                         // of the encoder's
  int64_t targets = 8, groups = 2;                // layers, in groups of as many

  int64_t patches() const { return side / 14 * (side / 14); }
  int64_t tokens() const { return 1 + 4 + patches(); }  // with the registers
  int64_t rows() const { return images * tokens(); }
  int64_t blocks() const { return encoderBlocks + decoderBlocks; }
};

/// Those to measure on cpu or cuda.
std::vector<Network> networksFor(const std::string& backend);

}  // namespace dinomaly::table
