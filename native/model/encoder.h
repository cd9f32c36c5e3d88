// The frozen ViT: pictures to tokens, tokens through the blocks up to the last target.
#pragma once

#include <map>
#include <utility>
#include <vector>

#include "model/block.h"
#include "model/config.h"
#include "model/images.h"

namespace dinomaly {

class Encoder {
 public:
  Encoder(const EncoderConfig& config, Parameters& parameters, Backend& backend);

  /// Class token, registers, patches with their positions: (B, N, D), wide. images: in the device's memory.
  Activations wideTokens(const Images& images);
  /// The same as other activations are.
  Activations tokens(const Images& images);
  /// What each target layer gives, (B, N, D).
  std::vector<Activations> forward(const Images& images, const CancelToken& cancel);
  /// Weights were written: positions are stretched anew.
  void weightsChanged() { positions_.clear(); }

 private:
  Shape shapeOf(const Images& images) const;
  const Buffer& positions(int64_t rows, int64_t cols);

  const EncoderConfig config_;
  Parameters& parameters_;
  Backend& backend_;
  std::vector<Block> blocks_;
  size_t wideBlocks_;                                        // the first ones
  std::map<std::pair<int64_t, int64_t>, Buffer> positions_;  // by rows and columns
};

}  // namespace dinomaly
