#include <algorithm>
#include <type_traits>

#include "backend/cuda/rounded_weights.h"

namespace dinomaly::cuda {
namespace {

constexpr unsigned kThreads = 256;

// An element a thread: reads 4 bytes and writes a Y. Once for a model, so nothing is done for speed.
template <typename Y>
__global__ void __launch_bounds__(kThreads)
    roundRowsKernel(Y* to, const float* values, const float* scale, int64_t size, int64_t cols, int64_t stride) {
  const int64_t i = blockIdx.x * int64_t{kThreads} + threadIdx.x, row = i / stride, col = i % stride;
  if (i >= size) return;
  const float value = col < cols ? values[row * cols + col] : 0.0f;
  to[i] = fromFloat<Y>(scale ? scale[row] * value : value);
}

}  // namespace

template <typename Y>
const Y* RoundedWeights::of(const float* values, const float* scale, int64_t rows, int64_t cols, int64_t stride) {
  std::shared_ptr<char>& copy = copies_[{values, scale, stride > cols, std::is_same_v<Y, float>}];
  if (!copy) {
    const int64_t size = rows * stride;
    std::shared_ptr<char> made = place(size * static_cast<int64_t>(sizeof(Y)));
    Buffer brought;
    if (frozen_.has(values)) {
      brought = backend_.allocate(rows * cols);
      backend_.upload(brought.get(), values, rows * cols);
    }
    launch(stream_, roundRowsKernel<Y>, blocksOf(size, kThreads), kThreads, 0, reinterpret_cast<Y*>(made.get()),
           brought ? static_cast<const float*>(brought.get()) : values, scale, size, cols, stride);
    copy = std::move(made);
  }
  return reinterpret_cast<const Y*>(copy.get());
}

std::shared_ptr<char> RoundedWeights::place(int64_t bytes) {
  constexpr int64_t kAligned = 256, kMost = int64_t{32} << 20;
  const int64_t taken = (bytes + kAligned - 1) / kAligned * kAligned;
  if (taken > left_) {  // as much as all before, so that a small network takes little
    const int64_t piece = std::max(taken, std::min(kMost, all_));
    piece_ = std::static_pointer_cast<char>(backend_.allocateBytes(piece));
    left_ = piece;
  }
  std::shared_ptr<char> placed = piece_;
  piece_ = {piece_, piece_.get() + taken};
  left_ -= taken;
  all_ += taken;
  return placed;
}

bf16* RoundedWeights::find(const float* values) const {
  const auto found = copies_.find({values, nullptr, false, false});
  return found == copies_.end() ? nullptr : reinterpret_cast<bf16*>(found->second.get());
}

template const float* RoundedWeights::of(const float*, const float*, int64_t, int64_t, int64_t);
template const bf16* RoundedWeights::of(const float*, const float*, int64_t, int64_t, int64_t);

}  // namespace dinomaly::cuda
