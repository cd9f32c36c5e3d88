// Which block of softmax attention works on what, where its queries are fewer or more by the variant.
#pragma once

#include "backend/cuda/device.h"

namespace dinomaly::cuda {

/// What a block works on: some queries of one head of one image.
struct Place {
  int64_t image;
  int head, firstQuery;
};

/// Blocks of a head are neighbours, except that those with fewer than `queries` come after all others, so that what
/// runs at the end is short.
__device__ __forceinline__ Place placeOfBlock(int tokens, int heads, int queries) {
  const unsigned full = tokens / queries, parts = (tokens + queries - 1) / queries, tasks = gridDim.x / parts;
  const bool isFull = blockIdx.x < tasks * full;
  const unsigned task = isFull ? blockIdx.x / full : blockIdx.x - tasks * full;
  const unsigned part = isFull ? blockIdx.x % full : full;
  return {task / heads, static_cast<int>(task % heads), static_cast<int>(part) * queries};
}

}  // namespace dinomaly::cuda
