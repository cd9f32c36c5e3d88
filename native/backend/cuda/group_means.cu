#include <algorithm>

#include "backend/cuda/group_means.h"

namespace dinomaly::cuda {
namespace {

constexpr unsigned kThreads = 128;

/// By value. After the last of `count` tokens it is there again, for the kernel to load in vain.
template <typename T>
struct Means {
  struct Group {
    T* y;
    float weights[kMostAveraged];
  };
  const T* tokens[kMostAveraged];
  T* mean;
  float share;  // of each of the tokens in the mean
  int count, groupCount;
  Group groups[kMostGroups];
};

template <int kCount, typename T>
__device__ __forceinline__ void storeRounded(T* y, const float (&values)[kCount]) {
  Pack<T, kCount> out;
#pragma unroll
  for (int j = 0; j < kCount; ++j) out.values[j] = fromFloat<T>(values[j]);
  storeWhole(y, out);
}

// Of tokens (B,size), with size = N * D, the mean (B,size) and of their last ofPatches = P * D values the groups'
// (B,ofPatches). A thread takes a pack of kCount neighbours: 16 bytes, or one element where tokens do not begin on a
// pack's boundary; blockIdx.x counts an image's blocks, then images. It loads all tensors at once and keeps them as
// they are for all of the sums. The mean selects without a branch, behind which the compiler would move the loads; only
// after it the groups branch, all threads alike, on what is none of theirs. Reads each tensor and writes each result
// once: bound by memory alone.
template <int kCount, typename T>
__global__ void __launch_bounds__(kThreads)
    groupMeansKernel(Means<T> means, int64_t size, int64_t ofPatches, unsigned blocks) {
  const int64_t image = blockIdx.x / blocks;
  const int64_t i = ((blockIdx.x % blocks) * int64_t{kThreads} + threadIdx.x) * kCount;
  if (i >= size) return;
  Pack<T, kCount> in[kMostAveraged];
#pragma unroll
  for (int k = 0; k < kMostAveraged; ++k) {
    in[k] = *reinterpret_cast<const Pack<T, kCount>*>(means.tokens[k] + image * size + i);
  }
  float values[kCount] = {};
#pragma unroll
  for (int k = 0; k < kMostAveraged; ++k) {
#pragma unroll
    for (int j = 0; j < kCount; ++j) {
      values[j] += k < means.count ? means.share * toFloat(in[k].values[j]) : 0.0f;
    }
  }
  storeRounded<kCount>(means.mean + image * size + i, values);
  const int64_t ofImage = i - (size - ofPatches);
  if (ofImage < 0) return;  // the class token's, or a register's
#pragma unroll 1
  for (int g = 0; g < means.groupCount; ++g) {
    const typename Means<T>::Group& group = means.groups[g];
    float sums[kCount] = {};
#pragma unroll
    for (int k = 0; k < kMostAveraged; ++k) {
      const float weight = group.weights[k];
      if (weight == 0) continue;
#pragma unroll
      for (int j = 0; j < kCount; ++j) sums[j] += weight * toFloat(in[k].values[j]);
    }
    storeRounded<kCount>(group.y + image * ofPatches + ofImage, sums);
  }
}

}  // namespace

template <typename T>
void groupMeans(Stream stream, T* mean, const std::vector<T*>& groups, const float* weights,
                const std::vector<const T*>& tokens, int64_t images, int64_t tokenCount, int64_t patchCount,
                int64_t dim) {
  constexpr int kCount = kPackSize<T>;
  const int64_t size = tokenCount * dim;
  if (images * size == 0) return;
  const size_t count = tokens.size();
  Means<T> means{};
  means.mean = mean;
  means.share = 1.0f / static_cast<float>(count);
  means.count = static_cast<int>(count);
  means.groupCount = static_cast<int>(groups.size());
  bool packed = dim % kCount == 0 && onBoundary<kCount>(mean);
  for (size_t k = 0; k < size_t{kMostAveraged}; ++k) {
    means.tokens[k] = tokens[std::min(k, count - 1)];
    packed = packed && onBoundary<kCount>(means.tokens[k]);
  }
  for (size_t g = 0; g < groups.size(); ++g) {
    means.groups[g].y = groups[g];
    std::copy_n(weights + g * count, count, means.groups[g].weights);
    packed = packed && onBoundary<kCount>(groups[g]);
  }
  const unsigned blocks = blocksOf(size, kThreads * (packed ? kCount : 1));
  launch(stream, packed ? groupMeansKernel<kCount, T> : groupMeansKernel<1, T>, blocksOf(images * blocks, 1), kThreads,
         0, means, size, patchCount * dim, blocks);
}

template void groupMeans(Stream, float*, const std::vector<float*>&, const float*, const std::vector<const float*>&,
                         int64_t, int64_t, int64_t, int64_t);
template void groupMeans(Stream, bf16*, const std::vector<bf16*>&, const float*, const std::vector<const bf16*>&,
                         int64_t, int64_t, int64_t, int64_t);

}  // namespace dinomaly::cuda
