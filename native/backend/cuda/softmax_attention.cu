#include <cmath>
#include <type_traits>

#include "backend/cuda/async_copy.h"
#include "backend/cuda/mma.h"
#include "backend/cuda/softmax_attention.h"

namespace dinomaly::cuda {
namespace {

constexpr double kLog2E = 1.4426950408889634;

/// What a block works on: some queries of one head of one image.
struct Place {
  int64_t image;
  int head, firstQuery;
};
__device__ __forceinline__ Place placeOfBlock(int tokens, int heads, int queries) {
  const unsigned parts = (tokens + queries - 1) / queries, task = blockIdx.x / parts;
  return {task / heads, static_cast<int>(task % heads), static_cast<int>(blockIdx.x % parts) * queries};
}

// On tensor cores.

constexpr int kHeadDim = 64;                // the one head size of DINOv2
constexpr int kKeys = 64;                   // a tile
constexpr int kStride = kHeadDim + 8;       // of a row in shared memory: 144 bytes, so that ldmatrix has no conflicts
constexpr int kTileSize = kKeys * kStride;  // of K or of V
constexpr unsigned kTensorThreads = 128;    // four warps
constexpr size_t kTensorShared = 4 * kTileSize * sizeof(bf16);  // K and V, two tiles of each: 36 KiB

/// A warp's queries, 16 in each of kSets, as fragments: rows g and g + 8 of a set lie in a lane (mma.h).
template <int kSets>
struct Queries {
  uint32_t q[kSets][kHeadDim / 16][4];
  float out[kSets][kHeadDim / 8][4];  // not yet divided by the sum
  float top[kSets][2];                // the largest product so far
  float sum[kSets][2];                // of this lane's keys alone, relative to top
};

/// Two neighbours of row `query`, or zeros beyond the tokens.
__device__ __forceinline__ uint32_t queryPair(const bf16* q, int query, int column, int tokens, int64_t stride) {
  if (query >= tokens) return 0;
  const auto pair = *reinterpret_cast<const Pack<bf16, 2>*>(q + query * stride + column);
  return pair.values[0].bits | static_cast<uint32_t>(pair.values[1].bits) << 16;
}

/// Keys from..from + kKeys of one head into shared memory, by the whole block: eight threads a row.
__device__ __forceinline__ void startTile(AsyncCopies& copies, bf16* keys, bf16* values, const bf16* k, int64_t dim,
                                          int from, int tokens) {
  constexpr int kChunks = kHeadDim / kPackSize<bf16>, kRows = kTensorThreads / kChunks;
  const int row = threadIdx.x / kChunks, column = threadIdx.x % kChunks * kPackSize<bf16>;
#pragma unroll
  for (int i = 0; i < kKeys; i += kRows) {
    const bool inside = from + row + i < tokens;
    const bf16* source = k + (inside ? from + row + i : 0) * 3 * dim + column;
    copies.start(keys + (row + i) * kStride + column, source, inside);
    copies.start(values + (row + i) * kStride + column, source + dim, inside);
  }
}

/// One tile of keys. kTail: only `count` of them are there; groups of 16 beyond are left out.
template <int kSets, bool kTail>
__device__ __forceinline__ void attendTile(Queries<kSets>& queries, const bf16* keys, const bf16* values, int count,
                                           float scale) {
  const int lane = threadIdx.x % kWarp;
  float scores[kSets][kKeys / 8][4] = {};
  const bf16* keyRow = keys + (lane / 16 * 8 + lane % 8) * kStride + lane / 8 % 2 * 8;
#pragma unroll
  for (int i = 0; i < kHeadDim / 16; ++i) {
#pragma unroll
    for (int j = 0; j < kKeys / 16; ++j) {
      if (kTail && j * 16 >= count) continue;
      uint32_t loaded[4];
      loadMatrices(loaded, keyRow + j * 16 * kStride + i * 16);
      const uint32_t low[2] = {loaded[0], loaded[1]}, high[2] = {loaded[2], loaded[3]};
#pragma unroll
      for (int set = 0; set < kSets; ++set) {
        mma16816(scores[set][2 * j], queries.q[set][i], low);
        mma16816(scores[set][2 * j + 1], queries.q[set][i], high);
      }
    }
  }
#pragma unroll
  for (int set = 0; set < kSets; ++set) {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      float top = queries.top[set][half];
#pragma unroll
      for (int j = 0; j < kKeys / 8; ++j) {
#pragma unroll
        for (int i = 2 * half; i < 2 * half + 2; ++i) {
          if (kTail && j * 8 + lane % 4 * 2 + i % 2 >= count) scores[set][j][i] = -INFINITY;
          top = fmaxf(top, scores[set][j][i]);
        }
      }
      top = maxOfLanes<4>(top);
      const float fading = exp2Approx((queries.top[set][half] - top) * scale), shift = -top * scale;
      queries.top[set][half] = top;
      float sum = 0;
#pragma unroll
      for (int j = 0; j < kKeys / 8; ++j) {
#pragma unroll
        for (int i = 2 * half; i < 2 * half + 2; ++i) {
          scores[set][j][i] = exp2Approx(fmaf(scores[set][j][i], scale, shift));
          sum += scores[set][j][i];
        }
      }
      queries.sum[set][half] = fmaf(queries.sum[set][half], fading, sum);
#pragma unroll
      for (int j = 0; j < kHeadDim / 8; ++j) {
        queries.out[set][j][2 * half] *= fading;
        queries.out[set][j][2 * half + 1] *= fading;
      }
    }
  }
  const bf16* valueRow = values + lane % 16 * kStride + lane / 16 * 8;
#pragma unroll
  for (int i = 0; i < kKeys / 16; ++i) {
    if (kTail && i * 16 >= count) continue;
    uint32_t shares[kSets][4];  // C's layout of two neighbouring tiles is A's of one
#pragma unroll
    for (int set = 0; set < kSets; ++set) {
#pragma unroll
      for (int r = 0; r < 4; ++r) {
        const float* pair = &scores[set][2 * i + r / 2][r % 2 * 2];
        shares[set][r] = packBf16(pair[0], pair[1]);
      }
    }
#pragma unroll
    for (int j = 0; j < kHeadDim / 16; ++j) {
      uint32_t loaded[4];
      loadMatricesTransposed(loaded, valueRow + i * 16 * kStride + j * 16);
      const uint32_t low[2] = {loaded[0], loaded[1]}, high[2] = {loaded[2], loaded[3]};
#pragma unroll
      for (int set = 0; set < kSets; ++set) {
        mma16816(queries.out[set][2 * j], shares[set], low);
        mma16816(queries.out[set][2 * j + 1], shares[set], high);
      }
    }
  }
}

// A block of four warps for 64 * kSets queries of one head, each warp for 16 * kSets of them; blocks of one head are
// neighbours, so that its keys come from the second-level cache. Each block reads its queries once and all keys and
// values of its head: N * 256 bytes for 64 * kSets * N * 256 flops on tensor cores. While a tile of 64 keys is worked
// on, the next is on its way into the other half of shared memory. With two sets each fragment of K and V that a warp
// loads from shared memory serves two products, which halves what would be the narrowest place; with one set a small
// batch still fills the device. scale: log2(e) / sqrt(d), for powers of two in place of e.
template <int kSets>
__global__ void __launch_bounds__(kTensorThreads, kSets == 1 ? 3 : 2)
    tensorAttentionKernel(bf16* y, const bf16* qkv, int tokens, int heads, float scale) {
  constexpr int kWarpQueries = 16 * kSets;
  const Place place = placeOfBlock(tokens, heads, kTensorThreads / kWarp * kWarpQueries);
  const int64_t dim = int64_t{heads} * kHeadDim;
  const bf16* q = qkv + place.image * tokens * 3 * dim + place.head * kHeadDim;
  const bf16* k = q + dim;
  bf16* const keys = sharedMemory<bf16>();
  bf16* const values = keys + 2 * kTileSize;
  AsyncCopies copies;
  startTile(copies, keys, values, k, dim, 0, tokens);

  const int lane = threadIdx.x % kWarp, g = lane / 4, t = lane % 4;
  const int first = place.firstQuery + static_cast<int>(threadIdx.x / kWarp) * kWarpQueries;
  Queries<kSets> queries = {};
#pragma unroll
  for (int set = 0; set < kSets; ++set) {
#pragma unroll
    for (int i = 0; i < kHeadDim / 16; ++i) {
#pragma unroll
      for (int r = 0; r < 4; ++r) {
        queries.q[set][i][r] =
            queryPair(q, first + set * 16 + g + r % 2 * 8, i * 16 + r / 2 * 8 + 2 * t, tokens, 3 * dim);
      }
    }
    queries.top[set][0] = queries.top[set][1] = -INFINITY;
  }

  for (int from = 0, tile = 0; from < tokens; from += kKeys, tile ^= 1) {
    copies.wait();
    __syncthreads();  // the tile is here, and nobody reads the one before it any more
    if (from + kKeys < tokens) {
      startTile(copies, keys + (tile ^ 1) * kTileSize, values + (tile ^ 1) * kTileSize, k, dim, from + kKeys, tokens);
    }
    if (first >= tokens) continue;  // the whole warp only helps to copy
    if (from + kKeys <= tokens) {
      attendTile<kSets, false>(queries, keys + tile * kTileSize, values + tile * kTileSize, kKeys, scale);
    } else {
      attendTile<kSets, true>(queries, keys + tile * kTileSize, values + tile * kTileSize, tokens - from, scale);
    }
  }

#pragma unroll
  for (int set = 0; set < kSets; ++set) {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const float share = 1.0f / sumOfLanes<4>(queries.sum[set][half]);
      const int query = first + set * 16 + g + half * 8;
      if (query >= tokens) continue;
      bf16* out = y + (place.image * tokens + query) * dim + place.head * kHeadDim + 2 * t;
#pragma unroll
      for (int j = 0; j < kHeadDim / 8; ++j) {
        const float* pair = &queries.out[set][j][2 * half];
        const uint32_t packed = packBf16(pair[0] * share, pair[1] * share);
        *reinterpret_cast<Pack<bf16, 2>*>(out + j * 8) = {
            {{static_cast<uint16_t>(packed)}, {static_cast<uint16_t>(packed >> 16)}}};
      }
    }
  }
}

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
// turns in one place; while one is worked on, the next is already in registers. Reads and writes as the kernel above.
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

template <int kSets>
void launchTensor(Stream stream, bf16* y, const bf16* qkv, int64_t images, int tokens, int heads, float scale) {
  launch(stream, tensorAttentionKernel<kSets>, static_cast<unsigned>(blocksFor(images, tokens, heads, 64 * kSets)),
         kTensorThreads, kTensorShared, y, qkv, tokens, heads, scale);
}

}  // namespace

template <typename T>
AttentionKernel attentionKernelFor(int64_t images, int64_t tokens, int64_t heads, int64_t headDim, int computeMajor,
                                   int processors) {
  if (!std::is_same_v<T, bf16> || headDim != kHeadDim || computeMajor < 8) return AttentionKernel::plain;
  constexpr int64_t kEnough = 4;  // blocks a multiprocessor: two run at once there, and the last round is short
  return blocksFor(images, tokens, heads, 128) >= kEnough * processors ? AttentionKernel::tensorCoresWide
                                                                       : AttentionKernel::tensorCores;
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
    if (kernel == AttentionKernel::tensorCores && headDim == kHeadDim) {
      launchTensor<1>(stream, y, qkv, images, tokenCount, headCount, scale);
      return;
    }
    if (kernel == AttentionKernel::tensorCoresWide && headDim == kHeadDim) {
      launchTensor<2>(stream, y, qkv, images, tokenCount, headCount, scale);
      return;
    }
  }
  throw Error("ERR_DEVICE_UNAVAILABLE", "expected attention heads of at most 128 channels on a GPU, found " +
                                            std::to_string(headDim) + ": use device 'cpu'");
}

template AttentionKernel attentionKernelFor<float>(int64_t, int64_t, int64_t, int64_t, int, int);
template AttentionKernel attentionKernelFor<bf16>(int64_t, int64_t, int64_t, int64_t, int, int);
template void softmaxAttention(Stream, float*, const float*, int64_t, int64_t, int64_t, int64_t, AttentionKernel);
template void softmaxAttention(Stream, bf16*, const bf16*, int64_t, int64_t, int64_t, int64_t, AttentionKernel);

}  // namespace dinomaly::cuda
