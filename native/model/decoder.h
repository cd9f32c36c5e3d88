// The linear-attention decoder (paper, 3.3) and its groups (3.4). The last block answers the first target, so outputs
// are counted from the end.
#pragma once

#include <vector>

#include "model/block.h"
#include "model/config.h"

namespace dinomaly {

class Decoder {
 public:
  Decoder(const ModelConfig& config, Parameters& parameters);

  struct Tape {
    std::vector<Block::Tape> blocks;
  };

  /// x (B, N, D) -> groups, each (B, P, D): the mean of its outputs, patches only. tape null: nothing is kept.
  void forward(Backend& backend, const std::vector<Element*>& groups, const Activations& x, Shape shape,
               int64_t patchCount, Tape* tape, const CancelToken& cancel) const;
  /// Gradients of the groups in, that of x out.
  Activations backward(Backend& backend, const std::vector<Activations>& dgroups, Shape shape, int64_t patchCount,
                       const Tape& tape, const CancelToken& cancel) const;

  /// Blocks that the loss reaches; later ones are neither run nor trained.
  int64_t reached() const { return static_cast<int64_t>(blocks_.size()); }

 private:
  int64_t dim_;
  std::vector<std::vector<int64_t>> groups_;  // of block indices
  std::vector<Block> blocks_;
};

}  // namespace dinomaly
