#include <algorithm>
#include <cmath>
#include <type_traits>

#include "backend/cuda/attention_place.h"
#include "backend/cuda/softmax_attention.h"
#include "backend/cuda/tensor_attention.h"
#include "backend/cuda/warpgroup_attention.h"

namespace dinomaly::cuda {
namespace {

constexpr double kLog2E = 1.4426950408889634;

// With plain products.

constexpr int kPlainQueries = 64;  // a block
constexpr unsigned kPlainThreads = 256;
constexpr int kColumnThreads = 16;  // that share a query's row; each thread has four such rows

/// kDim: the head size or more. kKeys: a tile's keys, so few that shared memory fits in 64 KiB.
template <int kDim>
struct PlainTile {
  static constexpr int kKeys = kDim == 64 ? 64 : 32;
  static constexpr int kStride = kDim + 4;        // of q, k and v: rows of one column fall into different banks
  static constexpr int kShareStride = kKeys + 4;  // of the shares
  static constexpr int kMine = kKeys * kDim / 4 / kPlainThreads;  // packs of a tile that a thread loads
  static constexpr size_t kBytes =
      (kPlainQueries * kStride + kKeys * kStride + kPlainQueries * kShareStride) * sizeof(float);
};

using Four = Pack<float, 4>;
__device__ __forceinline__ Four& four(float* x) {
  return *reinterpret_cast<Four*>(x);
}

/// Four values of a row of `dim`, zeros beyond it; whole: dim is a multiple of four.
template <typename T>
__device__ __forceinline__ Four loadFour(const T* row, int column, int dim, bool whole) {
  Four loaded = {};
  if (whole) {
    if (column < dim) {
      const auto pack = *reinterpret_cast<const Pack<T, 4>*>(row + column);
#pragma unroll
      for (int i = 0; i < 4; ++i) loaded.values[i] = toFloat(pack.values[i]);
    }
  } else {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      if (column + i < dim) loaded.values[i] = toFloat(row[column + i]);
    }
  }
  return loaded;
}

/// This thread's part of the tile of keys (or values) that begins with row `from`.
template <typename T, int kDim>
__device__ __forceinline__ void loadTile(Four (&mine)[PlainTile<kDim>::kMine], const T* k, int64_t stride, int from,
                                         int tokens, int headDim, bool whole) {
#pragma unroll
  for (int i = 0; i < PlainTile<kDim>::kMine; ++i) {
    const int index = i * static_cast<int>(kPlainThreads) + threadIdx.x;
    const int row = from + index / (kDim / 4), column = index % (kDim / 4) * 4;
    mine[i] = row < tokens ? loadFour(k + row * stride, column, headDim, whole) : Four{};
  }
}

template <int kDim>
__device__ __forceinline__ void storeTile(float* tile, const Four (&mine)[PlainTile<kDim>::kMine]) {
#pragma unroll
  for (int i = 0; i < PlainTile<kDim>::kMine; ++i) {
    const int index = i * static_cast<int>(kPlainThreads) + threadIdx.x;
    four(tile + index / (kDim / 4) * PlainTile<kDim>::kStride + index % (kDim / 4) * 4) = mine[i];
  }
}

// A block for 64 queries of one head, in float: 16 threads to four rows of queries. A thread computes the products of
// its four queries with every 16th key of the tile, then, for the same queries, kDim / 16 columns of the result; both
// read four floats at a time from shared memory, eight such reads to 64 multiply-adds (head size 64). K and V take
// turns in one place; while one is worked on, the next is already in registers. Reads and writes as
// tensorAttentionKernel.
template <typename T, int kDim>
__global__ void __launch_bounds__(kPlainThreads, kDim == 64 ? 2 : 1)
    plainAttentionKernel(T* y, const T* qkv, int tokens, int heads, int headDim, float scale) {
  using Tile = PlainTile<kDim>;
  constexpr int kColumns = kDim / kColumnThreads / 4;  // groups of four columns
  constexpr int kMyKeys = Tile::kKeys / kColumnThreads;
  const Place place = placeOfBlock(tokens, heads, kPlainQueries);
  const int64_t dim = int64_t{heads} * headDim;
  const bool whole = headDim % 4 == 0;
  const T* q = qkv + place.image * tokens * 3 * dim + place.head * headDim;
  const T *k = q + dim, *v = k + dim;
  float* const queries = sharedMemory<float>();
  float* const tile = queries + kPlainQueries * Tile::kStride;  // of keys or values
  float* const shares = tile + Tile::kKeys * Tile::kStride;     // (queries, keys)

  Four next[Tile::kMine];
  loadTile<T, kDim>(next, k, 3 * dim, 0, tokens, headDim, whole);
  for (int index = threadIdx.x; index < kPlainQueries * kDim / 4; index += kPlainThreads) {
    const int row = index / (kDim / 4), column = index % (kDim / 4) * 4, query = place.firstQuery + row;
    four(queries + row * Tile::kStride + column) =
        query < tokens ? loadFour(q + query * 3 * dim, column, headDim, whole) : Four{};
  }

  const int column = threadIdx.x % kColumnThreads, row = threadIdx.x / kColumnThreads * 4;
  const bool working = place.firstQuery + static_cast<int>(threadIdx.x / kWarp) * 8 < tokens;  // the same in a warp
  float out[4][kColumns][4] = {}, top[4], sum[4] = {};  // sum: of this thread's keys alone
#pragma unroll
  for (int r = 0; r < 4; ++r) top[r] = -INFINITY;
  for (int from = 0; from < tokens; from += Tile::kKeys) {
    __syncthreads();  // nobody reads the last values any more
    storeTile<kDim>(tile, next);
    __syncthreads();
    loadTile<T, kDim>(next, v, 3 * dim, from, tokens, headDim, whole);
    if (working) {
      float scores[4][kMyKeys] = {};
      for (int i = 0; i < headDim; i += 4) {
        Four a[4], b[kMyKeys];
#pragma unroll
        for (int r = 0; r < 4; ++r) a[r] = four(queries + (row + r) * Tile::kStride + i);
#pragma unroll
        for (int c = 0; c < kMyKeys; ++c) b[c] = four(tile + (column + c * kColumnThreads) * Tile::kStride + i);
#pragma unroll
        for (int r = 0; r < 4; ++r) {
#pragma unroll
          for (int c = 0; c < kMyKeys; ++c) {
#pragma unroll
            for (int e = 0; e < 4; ++e) scores[r][c] = fmaf(a[r].values[e], b[c].values[e], scores[r][c]);
          }
        }
      }
#pragma unroll
      for (int r = 0; r < 4; ++r) {
        float newTop = top[r];
#pragma unroll
        for (int c = 0; c < kMyKeys; ++c) {
          if (from + column + c * kColumnThreads >= tokens) scores[r][c] = -INFINITY;
          newTop = fmaxf(newTop, scores[r][c]);
        }
        newTop = maxOfLanes<kColumnThreads>(newTop);
        const float fading = exp2Approx((top[r] - newTop) * scale);
        top[r] = newTop;
        sum[r] *= fading;
#pragma unroll
        for (int c = 0; c < kMyKeys; ++c) {
          const float share = exp2Approx((scores[r][c] - newTop) * scale);
          sum[r] += share;
          shares[(row + r) * Tile::kShareStride + column + c * kColumnThreads] = share;
        }
#pragma unroll
        for (int c = 0; c < kColumns; ++c) {
#pragma unroll
          for (int e = 0; e < 4; ++e) out[r][c][e] *= fading;
        }
      }
    }
    __syncthreads();  // nobody reads the keys any more; all shares are there
    storeTile<kDim>(tile, next);
    __syncthreads();
    if (from + Tile::kKeys < tokens) {
      loadTile<T, kDim>(next, k, 3 * dim, from + Tile::kKeys, tokens, headDim, whole);
    }
    const int end = working ? min(Tile::kKeys, tokens - from) : 0;
    for (int i = 0; i < end; i += 4) {  // shares beyond the last key are 0, and so are values
      Four a[4], b[4];
#pragma unroll
      for (int r = 0; r < 4; ++r) a[r] = four(shares + (row + r) * Tile::kShareStride + i);
#pragma unroll
      for (int c = 0; c < kColumns; ++c) {
#pragma unroll
        for (int key = 0; key < 4; ++key) {
          b[key] = four(tile + (i + key) * Tile::kStride + (c * kColumnThreads + column) * 4);
        }
#pragma unroll
        for (int r = 0; r < 4; ++r) {
#pragma unroll
          for (int key = 0; key < 4; ++key) {
#pragma unroll
            for (int e = 0; e < 4; ++e) {
              out[r][c][e] = fmaf(a[r].values[key], b[key].values[e], out[r][c][e]);
            }
          }
        }
      }
    }
  }

#pragma unroll
  for (int r = 0; r < 4; ++r) {
    const float share = 1.0f / sumOfLanes<kColumnThreads>(sum[r]);
    const int query = place.firstQuery + row + r;
    if (query >= tokens) continue;
    T* to = y + (place.image * tokens + query) * dim + place.head * headDim;
#pragma unroll
    for (int c = 0; c < kColumns; ++c) {
      const int first = (c * kColumnThreads + column) * 4;
      Pack<T, 4> pack;
#pragma unroll
      for (int e = 0; e < 4; ++e) pack.values[e] = fromFloat<T>(out[r][c][e] * share);
      if (whole) {
        if (first < headDim) *reinterpret_cast<Pack<T, 4>*>(to + first) = pack;
      } else {
#pragma unroll
        for (int e = 0; e < 4; ++e) {
          if (first + e < headDim) to[first + e] = pack.values[e];
        }
      }
    }
  }
}

int64_t blocksFor(int64_t images, int64_t tokens, int64_t heads, int64_t queries) {
  return images * heads * blocksOf(tokens, queries);
}

template <typename T, int kDim>
void launchPlain(Stream stream, T* y, const T* qkv, int64_t images, int tokens, int heads, int headDim, float scale) {
  launch(stream, plainAttentionKernel<T, kDim>, static_cast<unsigned>(blocksFor(images, tokens, heads, kPlainQueries)),
         kPlainThreads, PlainTile<kDim>::kBytes, y, qkv, tokens, heads, headDim, scale);
}

template <int kSets, int kWarps>
void launchTensor(Stream stream, bf16* y, const bf16* qkv, int64_t images, int tokens, int heads, float scale) {
  const int64_t blocks = blocksFor(images, tokens, heads, 16 * kSets * kWarps);
  launch(stream, tensor::tensorAttentionKernel<kSets, kWarps>, static_cast<unsigned>(blocks), kWarps * kWarp,
         tensor::kShared, y, qkv, tokens, heads, scale);
}

void launchWarpgroups(Stream stream, bf16* y, const bf16* qkv, int64_t images, int tokens, int heads, float scale) {
  const int64_t blocks = blocksFor(images, tokens, heads, tensor::kGroupQueries);
  launch(stream, tensor::warpgroupAttentionKernel, static_cast<unsigned>(blocks), kWarpgroup, tensor::kGroupShared, y,
         qkv, tokens, heads, scale);
}

/// Counts cycles for 64 keys, none of them measured: what shared memory takes is 4 for 512 bytes, the rest is what the
/// loop's instructions took on paper, as compiled for 9.0, when one warp or more of a scheduler's wait for each other
/// and for its tensor core.
struct TensorVariant {
  AttentionKernel kernel;
  int sets, warps;

  int64_t queries() const { return 16 * sets * warps; }
  /// Of a multiprocessor with that many blocks.
  int64_t cycles(int64_t blocks) const {
    const int64_t alone = sets == 1 ? 800 : 1250, amongOthers = sets == 1 ? 580 : 1000;
    const int64_t scheduler = blocksOf(blocks * warps, 4) * amongOthers;
    const int64_t sharedMemory = blocks * (128 * warps + 128);
    return std::max({alone, scheduler, sharedMemory});
  }
};

constexpr TensorVariant kTensorVariants[] = {{AttentionKernel::tensor32x4, 2, 4},
                                             {AttentionKernel::tensor16x4, 1, 4},
                                             {AttentionKernel::tensor16x5, 1, 5},
                                             {AttentionKernel::tensor16x6, 1, 6}};

}  // namespace

bool hasWarpgroupAttention() {
#if defined(__CUDACC__)
  cudaFuncAttributes attributes = {};
  check(cudaFuncGetAttributes(&attributes, tensor::warpgroupAttentionKernel), "a question about a kernel");
  return attributes.maxThreadsPerBlock >= static_cast<int>(kWarpgroup);
#else
  return true;
#endif
}

template <typename T>
AttentionKernel attentionKernelFor(int64_t images, int64_t tokens, int64_t heads, int64_t headDim,
                                   const AttentionDevice& device) {
  if (!std::is_same_v<T, bf16> || headDim != tensor::kHeadDim || device.computeMajor < 8) return AttentionKernel::plain;
  if (device.warpgroups) return AttentionKernel::warpgroup;
  AttentionKernel best = AttentionKernel::plain;
  int64_t least = INT64_MAX;
  for (const TensorVariant& variant : kTensorVariants) {
    const int64_t blocks = blocksFor(images, tokens, heads, variant.queries());
    const int64_t cycles = variant.cycles(blocksOf(blocks, device.processors));
    if (cycles < least) {
      least = cycles;
      best = variant.kernel;
    }
  }
  return best;
}

template <typename T>
void softmaxAttention(Stream stream, T* y, const T* qkv, int64_t images, int64_t tokens, int64_t heads, int64_t headDim,
                      AttentionKernel kernel) {
  const auto scale = static_cast<float>(kLog2E / std::sqrt(static_cast<double>(headDim)));
  const int tokenCount = static_cast<int>(tokens), headCount = static_cast<int>(heads);
  if (kernel == AttentionKernel::plain && headDim <= 64) {
    launchPlain<T, 64>(stream, y, qkv, images, tokenCount, headCount, static_cast<int>(headDim), scale);
    return;
  }
  if (kernel == AttentionKernel::plain && headDim <= kMaxHeadDim) {
    launchPlain<T, 128>(stream, y, qkv, images, tokenCount, headCount, static_cast<int>(headDim), scale);
    return;
  }
  if constexpr (std::is_same_v<T, bf16>) {
    if (headDim == tensor::kHeadDim) {
      switch (kernel) {
        case AttentionKernel::tensor32x4:
          return launchTensor<2, 4>(stream, y, qkv, images, tokenCount, headCount, scale);
        case AttentionKernel::tensor16x4:
          return launchTensor<1, 4>(stream, y, qkv, images, tokenCount, headCount, scale);
        case AttentionKernel::tensor16x5:
          return launchTensor<1, 5>(stream, y, qkv, images, tokenCount, headCount, scale);
        case AttentionKernel::tensor16x6:
          return launchTensor<1, 6>(stream, y, qkv, images, tokenCount, headCount, scale);
        case AttentionKernel::warpgroup:
          return launchWarpgroups(stream, y, qkv, images, tokenCount, headCount, scale);
        case AttentionKernel::plain:
          break;
      }
    }
  }
  throw Error("ERR_DEVICE_UNAVAILABLE", "expected attention heads of at most 128 channels on a GPU, found " +
                                            std::to_string(headDim) + ": use device 'cpu'");
}

template AttentionKernel attentionKernelFor<float>(int64_t, int64_t, int64_t, int64_t, const AttentionDevice&);
template AttentionKernel attentionKernelFor<bf16>(int64_t, int64_t, int64_t, int64_t, const AttentionDevice&);
template void softmaxAttention(Stream, float*, const float*, int64_t, int64_t, int64_t, int64_t, AttentionKernel);
template void softmaxAttention(Stream, bf16*, const bf16*, int64_t, int64_t, int64_t, int64_t, AttentionKernel);

}  // namespace dinomaly::cuda
