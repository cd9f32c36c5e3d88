// Gradient norm, clipping and StableAdamW with AMSGrad. All values are float. One launch covers every tensor: each is
// cut into chunks of kOptimizerChunk elements, and a block takes a chunk.
#pragma once

#include <vector>

#include "backend/backend.h"
#include "backend/cuda/launch.h"

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

/// How many doubles of scratch memory the functions below need: `partials`. It may be the same for all of them. A
/// tensor alone has blocksOf(size, kOptimizerChunk) chunks.
int64_t optimizerPartials(int64_t chunkCount, int64_t tensorCount = 1);

/// norm (1) = the L2 norm of all gradients. *notFinite, an int in device memory, becomes 1 where that is not finite,
/// and otherwise stays as it is, so that the loss may have set it before. Only the caller clears it.
void gradientNorm(Stream stream, double* norm, int* notFinite, const OptimizerTable& table, double* partials);

/// One step of all tensors. Gradients are multiplied by min(1, clipNorm / (norm + 1e-6)), not by step.gradientScale.
/// Does nothing if *notFinite is not 0.
void stableAdamW(Stream stream, const OptimizerTable& table, const double* norm, const int* notFinite, double clipNorm,
                 const OptimizerStep& step, double* partials);

/// Of one tensor, as in Backend: squares (1) = the sum of squares of x (size).
void squaredNorm(Stream stream, double* squares, const float* x, int64_t size, double* partials);
void stableAdamW(Stream stream, float* p, float* m, float* v, float* vmax, const float* g, int64_t size,
                 const OptimizerStep& step, double* partials);

}  // namespace dinomaly::cuda
