// Gradient norm, clipping and StableAdamW with AMSGrad. All values are float. One launch covers every tensor: each is
// cut into chunks of kOptimizerChunk elements, and a block takes a chunk.
#pragma once

#include <vector>

#include "backend/cuda/launch.h"
#include "backend/cuda/step.h"

namespace dinomaly::cuda {

constexpr int64_t kOptimizerChunk = 8192;

/// A tensor to train, all of its arrays of `size` in device memory. Arrays that lie at multiples of 16 bytes
/// (`rounded`: of 8) are read and written faster; sums are added in the same order wherever they lie.
struct OptimizerTensor {
  float *p, *m, *v, *vmax;
  const float* g;
  bf16* rounded;       // p after each step, for products in bf16; null: not wanted
  int64_t size;        // may be 0
  int64_t firstChunk;  // from assignChunks()
};

/// On the host: numbers the chunks of all tensors one after the other, writes each tensor's first, and returns the
/// number of the tensor that each chunk belongs to.
std::vector<int32_t> assignChunks(std::vector<OptimizerTensor>& tensors);

/// Both lists in device memory.
struct OptimizerTable {
  const OptimizerTensor* tensors;
  const int32_t* chunkTensors;  // (chunkCount), from assignChunks()
  int64_t tensorCount, chunkCount;
};

/// How many doubles of scratch memory the functions below need: `partials`.
int64_t optimizerPartials(int64_t chunkCount, int64_t tensorCount);

/// The step's norm becomes the L2 norm of all gradients. Where that or the loss is not finite, and no step has failed
/// before, this one has: outcome.failed becomes its iteration. Only the host clears it.
void gradientNorm(Stream stream, Step* step, const OptimizerTable& table, double* partials);

/// One step of all tensors, by the numbers of the step for which gradientNorm() was called just before, with the same
/// partials; gradients are multiplied by min(1, clipNorm / (norm + 1e-6)). Changes nothing once a step has failed.
void stableAdamW(Stream stream, const OptimizerTable& table, double* partials);

/// Loads what stableAdamW() launches, which CUDA does with the first launch of each kernel otherwise: one that fails
/// for want of memory would leave a step half done.
void loadStableAdamW();

}  // namespace dinomaly::cuda
