#include "backend/cuda/rounded_weights.h"

namespace dinomaly::cuda {
namespace {

constexpr unsigned kThreads = 256;

// An element a thread: reads 4 bytes and writes 2. Once for a model, so nothing is done for speed.
__global__ void __launch_bounds__(kThreads)
    roundRowsKernel(bf16* to, const float* values, const float* scale, int64_t size, int64_t cols) {
  const int64_t i = blockIdx.x * int64_t{kThreads} + threadIdx.x;
  if (i < size) to[i] = fromFloat<bf16>(scale ? scale[i / cols] * values[i] : values[i]);
}

}  // namespace

const bf16* RoundedWeights::of(const float* values, const float* scale, int64_t rows, int64_t cols) {
  std::shared_ptr<void>& copy = copies_[{values, scale}];
  if (!copy) {
    const int64_t size = rows * cols;
    std::shared_ptr<void> made = backend_.allocateBytes(size * static_cast<int64_t>(sizeof(bf16)));
    launch(stream_, roundRowsKernel, blocksOf(size, kThreads), kThreads, 0, static_cast<bf16*>(made.get()), values,
           scale, size, cols);
    copy = std::move(made);
  }
  return static_cast<const bf16*>(copy.get());
}

bf16* RoundedWeights::find(const float* values) const {
  const auto found = copies_.find({values, nullptr});
  return found == copies_.end() ? nullptr : static_cast<bf16*>(found->second.get());
}

}  // namespace dinomaly::cuda
