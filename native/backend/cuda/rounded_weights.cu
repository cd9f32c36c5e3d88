#include <algorithm>

#include "backend/cuda/rounded_weights.h"

namespace dinomaly::cuda {
namespace {

constexpr unsigned kThreads = 256;

// An element a thread: reads 4 bytes and writes 2. Once for a model, so nothing is done for speed.
__global__ void __launch_bounds__(kThreads)
    roundRowsKernel(bf16* to, const float* values, const float* scale, int64_t size, int64_t cols, int64_t stride) {
  const int64_t i = blockIdx.x * int64_t{kThreads} + threadIdx.x, row = i / stride, col = i % stride;
  if (i >= size) return;
  const float value = col < cols ? values[row * cols + col] : 0.0f;
  to[i] = fromFloat<bf16>(scale ? scale[row] * value : value);
}

}  // namespace

const bf16* RoundedWeights::of(const float* values, const float* scale, int64_t rows, int64_t cols, int64_t stride) {
  std::shared_ptr<bf16>& copy = copies_[{values, scale, stride > cols}];
  if (!copy) {
    const int64_t size = rows * stride;
    std::shared_ptr<bf16> made = place(size);
    Buffer brought;
    if (frozen_.has(values)) {
      brought = backend_.allocate(rows * cols);
      backend_.upload(brought.get(), values, rows * cols);
    }
    launch(stream_, roundRowsKernel, blocksOf(size, kThreads), kThreads, 0, made.get(),
           brought ? static_cast<const float*>(brought.get()) : values, scale, size, cols, stride);
    copy = std::move(made);
  }
  return copy.get();
}

std::shared_ptr<bf16> RoundedWeights::place(int64_t size) {
  constexpr int64_t kAligned = 128, kMost = int64_t{16} << 20;  // values
  const int64_t taken = (size + kAligned - 1) / kAligned * kAligned;
  if (taken > left_) {  // as much as all before, so that a small network takes little
    const int64_t piece = std::max(taken, std::min(kMost, all_));
    piece_ = std::static_pointer_cast<bf16>(backend_.allocateBytes(piece * static_cast<int64_t>(sizeof(bf16))));
    left_ = piece;
  }
  std::shared_ptr<bf16> placed = piece_;
  piece_ = {piece_, piece_.get() + taken};
  left_ -= taken;
  all_ += taken;
  return placed;
}

bf16* RoundedWeights::find(const float* values) const {
  const auto found = copies_.find({values, nullptr, false});
  return found == copies_.end() ? nullptr : found->second.get();
}

}  // namespace dinomaly::cuda
