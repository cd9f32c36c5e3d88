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

  /// Class token, registers, patches with their positions: (B, N, D). images: in the device's memory.
  Activations tokens(const Images& images);
  /// What each target layer gives, (B, N, D).
  std::vector<Activations> forward(const Images& images, const CancelToken& cancel);
  /// Weights were written: positions are stretched anew.
  void weightsChanged() { positions_.clear(); }

 private:
  const Buffer& positions(int64_t rows, int64_t cols);

  const EncoderConfig config_;
  Parameters& parameters_;
  Backend& backend_;
  std::vector<Block> blocks_;
  std::map<std::pair<int64_t, int64_t>, Buffer> positions_;  // by rows and columns
};

}  // namespace dinomaly
