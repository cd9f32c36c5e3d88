// The frozen ViT: pictures to tokens, tokens through the blocks up to the last target.
#pragma once

#include <functional>
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
  /// Runs the blocks; calls target(index among the targets, (B, N, D)) after each target layer.
  void forward(const Images& images, const CancelToken& cancel,
               const std::function<void(size_t, const Activations&)>& target);
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
