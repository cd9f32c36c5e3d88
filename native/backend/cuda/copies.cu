#include <algorithm>

#include "backend/cuda/copies.h"

namespace dinomaly::cuda {
namespace {

constexpr unsigned kThreads = 128;
constexpr int kPacks = 4;            // that a thread has in flight
constexpr size_t kMostCopies = 128;  // of one launch: 3 of the 4 KB that a kernel's parameters may have

template <typename T>
struct Copies {
  CopyOf<T> each[kMostCopies];
};

// Copy blockIdx.y of those given by value, of which blockIdx.x counts parts of kThreads * kPacks packs of kCount
// neighbours: 16 bytes, or one element where not all of the copies are made of whole packs. There are as many parts as
// the longest has; blocks beyond the end of a shorter one do nothing. Reads and writes each element once: bound by
// memory alone. What single copies of a picture's features cannot do is fill the device, nor follow each other closely.
template <int kCount, typename T>
__global__ void __launch_bounds__(kThreads) copyEachKernel(Copies<T> copies) {
  const CopyOf<T>& copy = copies.each[blockIdx.y];
  const int64_t packs = copy.size / kCount, first = blockIdx.x * int64_t{kPacks * kThreads} + threadIdx.x;
  if (first >= packs) return;
  const auto* from = reinterpret_cast<const Pack<T, kCount>*>(copy.from);
  auto* to = reinterpret_cast<Pack<T, kCount>*>(copy.to);
  Pack<T, kCount> in[kPacks];
#pragma unroll
  for (int p = 0; p < kPacks; ++p) {  // the last again, in vain, rather than a branch between loads
    in[p] = from[min(first + p * int64_t{kThreads}, packs - 1)];
  }
#pragma unroll
  for (int p = 0; p < kPacks; ++p) {
    const int64_t number = first + p * int64_t{kThreads};
    if (number < packs) to[number] = in[p];
  }
}

}  // namespace

template <typename T>
void copyEach(Stream stream, const std::vector<CopyOf<T>>& copies) {
  constexpr int kCount = kPackSize<T>;
  for (size_t begin = 0; begin < copies.size(); begin += kMostCopies) {
    const size_t count = std::min(kMostCopies, copies.size() - begin);
    Copies<T> some{};
    std::copy_n(copies.begin() + static_cast<std::ptrdiff_t>(begin), count, some.each);
    int64_t longest = 0;
    bool packed = true;
    for (size_t i = 0; i < count; ++i) {
      const CopyOf<T>& copy = some.each[i];
      longest = std::max(longest, copy.size);
      packed = packed && copy.size % kCount == 0 && onBoundary<kCount>(copy.to) && onBoundary<kCount>(copy.from);
    }
    if (longest == 0) continue;
    const dim3 grid(blocksOf(longest, kThreads * kPacks * (packed ? kCount : 1)), static_cast<unsigned>(count));
    launch(stream, packed ? copyEachKernel<kCount, T> : copyEachKernel<1, T>, grid, kThreads, 0, some);
  }
}

template void copyEach(Stream, const std::vector<CopyOf<float>>&);
template void copyEach(Stream, const std::vector<CopyOf<bf16>>&);

}  // namespace dinomaly::cuda
