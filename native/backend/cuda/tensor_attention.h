// Softmax attention on tensor cores: bf16, head size 64, compute capability 8.0 and newer. For softmax_attention.cu.
#pragma once

#include <cmath>
#include <cstring>

#include "backend/cuda/async_copy.h"
#include "backend/cuda/attention_place.h"
#include "backend/cuda/mma.h"

namespace dinomaly::cuda::tensor {

constexpr int kHeadDim = 64;           // the one head size of DINOv2
constexpr int kChunks = kHeadDim / 8;  // of 16 bytes, of a row
constexpr int kTileKeys = 32;          // what is copied at once
constexpr int kStride = kHeadDim + 8;  // of a row in shared memory: 144 bytes, so that ldmatrix has no conflicts
constexpr int kTileSize = kTileKeys * kStride;                      // of K or of V
constexpr int kStages = 5;                                          // tiles in shared memory
constexpr size_t kShared = kStages * 2 * kTileSize * sizeof(bf16);  // 45 KiB
constexpr float kLargestSum = 0x1p96f;  // of shares, and so of each; values may be 2^31 times that

/// Four registers of each of four neighbouring lanes t change places: x[k] of lane t becomes x[t] of lane k.
__device__ __forceinline__ void transposeFour(uint32_t (&x)[4]) {
  const unsigned lane = threadIdx.x;
#pragma unroll
  for (int bit = 1; bit <= 2; bit *= 2) {
    const bool upper = lane & bit;
#pragma unroll
    for (int k = 0; k < 4; ++k) {
      if (k & bit) continue;
      const uint32_t received = __shfl_xor_sync(kAllLanes, upper ? x[k] : x[k + bit], bit);
      (upper ? x[k] : x[k + bit]) = received;
    }
  }
}

/// Where what a tile holds lies, in elements.
struct PaddedTile {
  static constexpr int kRow = kStride, kKeys = kTileKeys, kSize = kTileSize;
  static __device__ __forceinline__ int placeOf(int row, int chunk) { return row * kRow + chunk * 8; }
};

/// This thread's share of copying keys and values into shared memory, a tile at a time: eight threads a row.
template <unsigned kThreads, typename Tile>
class TileCopies {
 public:
  __device__ __forceinline__ TileCopies(const bf16* k, int64_t dim, int tokens)
      : row_(threadIdx.x / kChunks),
        to_(Tile::placeOf(row_, static_cast<int>(threadIdx.x % kChunks))),
        left_(tokens - row_),
        dim_(dim),
        from_(k + row_ * 3 * dim + threadIdx.x % kChunks * 8) {}

  /// The next tile, which becomes a group; an empty one after the last.
  __device__ __forceinline__ void start(AsyncCopies& copies, bf16* tile) {
    if (left_ + row_ > 0) {
#pragma unroll
      for (int row = 0; row < Tile::kKeys; row += kRows) {
        if (row + kRows > Tile::kKeys && row_ + row >= Tile::kKeys) break;
        bf16* to = tile + to_ + row * Tile::kRow;
        copies.start(to, from_ + row * 3 * dim_, row < left_);
        copies.start(to + Tile::kSize, from_ + row * 3 * dim_ + dim_, row < left_);
      }
    }
    copies.endGroup();
    left_ -= Tile::kKeys;
    from_ += Tile::kKeys * 3 * dim_;
  }

 private:
  static constexpr int kRows = kThreads / kChunks;  // a multiple of 8, after which a tile's places repeat
  int row_, to_, left_;
  int64_t dim_;
  const bf16* from_;
};

/// A warp's queries, 16 in each of kSets, as fragments: rows g and g + 8 of a set lie in a lane (mma.h).
template <int kSets>
struct Queries {
  uint32_t q[kSets][kHeadDim / 16][4];
  float out[kSets][kHeadDim / 8][4];  // not yet divided by the sum
  float shift[kSets][2];              // what is added to a product, times the scale, before it becomes a power of two
  float sum[kSets][2];                // of this lane's keys alone
};

template <int kSets>
__device__ __forceinline__ void loadQueries(Queries<kSets>& queries, const bf16* q, int first, int tokens,
                                            int64_t stride) {
  const int lane = threadIdx.x % kWarp, g = lane / 4, t = lane % 4;
#pragma unroll
  for (int set = 0; set < kSets; ++set) {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const int query = first + set * 16 + half * 8 + g;
      const bf16* row = q + (query < tokens ? query : 0) * stride + t * 8;
#pragma unroll
      for (int i = 0; i < kHeadDim / 16; i += 2) {
        const auto pack = *reinterpret_cast<const Pack<bf16, 8>*>(row + i * 16);
        uint32_t pairs[4];
        std::memcpy(pairs, &pack, sizeof pairs);
        transposeFour(pairs);
        queries.q[set][i][half] = pairs[0];
        queries.q[set][i][half + 2] = pairs[1];
        queries.q[set][i + 1][half] = pairs[2];
        queries.q[set][i + 1][half + 2] = pairs[3];
      }
    }
  }
}

/// Products of the queries with kGroups groups of 16 keys.
template <int kSets, int kGroups>
struct Scores {
  float of[kSets][2 * kGroups][4];
};

/// Where a lane's row of 16 keys, and of 16 values, begins for ldmatrix, in elements.
struct LaneRows {
  int key, value;
};
__device__ __forceinline__ LaneRows rowsOfLane() {
  const int lane = threadIdx.x % kWarp;
  LaneRows rows = {(lane / 16 * 8 + lane % 8) * kStride + lane / 8 % 2 * 8, lane % 16 * kStride + lane / 16 * 8};
#if defined(__CUDACC__)
  asm volatile("" : "+r"(rows.key), "+r"(rows.value));  // else they are computed anew for each tile
#endif
  return rows;
}

/// row: the lane's, of the first of them.
template <int kSets, int kGroups>
__device__ __forceinline__ Scores<kSets, kGroups> multiplyKeys(const Queries<kSets>& queries, const bf16* row) {
  Scores<kSets, kGroups> scores = {};
#pragma unroll
  for (int i = 0; i < kHeadDim / 16; ++i) {
#pragma unroll
    for (int group = 0; group < kGroups; ++group) {
      uint32_t loaded[4];
      loadMatrices(loaded, row + group * 16 * kStride + i * 16);
      const uint32_t low[2] = {loaded[0], loaded[1]}, high[2] = {loaded[2], loaded[3]};
#pragma unroll
      for (int set = 0; set < kSets; ++set) {
        mma16816(scores.of[set][2 * group], queries.q[set][i], low);
        mma16816(scores.of[set][2 * group + 1], queries.q[set][i], high);
      }
    }
  }
  return scores;
}

/// The shift that makes the largest share of the first 16 keys 1; `count` of them are there.
template <int kSets, int kGroups>
__device__ __forceinline__ void takeShift(Queries<kSets>& queries, const Scores<kSets, kGroups>& scores, int count,
                                          float scale) {
  const int lane = threadIdx.x % kWarp;
#pragma unroll
  for (int set = 0; set < kSets; ++set) {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      float top = -INFINITY;
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        if (lane % 4 * 2 + i / 2 * 8 + i % 2 < count) top = fmaxf(top, scores.of[set][i / 2][2 * half + i % 2]);
      }
      queries.shift[set][half] = -maxOfLanes<4>(top) * scale;
    }
  }
}

/// The halves of a pair as floats.
__device__ __forceinline__ float lowOf(uint32_t pair) {
  return __uint_as_float(pair << 16);
}
__device__ __forceinline__ float highOf(uint32_t pair) {
  return __uint_as_float(pair & 0xFFFF0000u);
}

/// The share that a product has, before it is divided by the sum. kTail: zero if its key, the lane's i-th of a group of
/// 16 of which `count` are there, is not.
template <bool kTail>
__device__ __forceinline__ float shareOf(float product, float scale, float shift, int i, int count) {
  const bool isThere = !kTail || static_cast<int>(threadIdx.x) % 4 * 2 + i / 2 * 8 + i % 2 < count;
  return isThere ? exp2Approx(fmaf(product, scale, shift)) : 0;
}

/// Half of a fragment of A from a lane's shares of one query in a group of 16 keys.
__device__ __forceinline__ void packShares(uint32_t (&fragment)[4], int half, const float (&share)[4]) {
  fragment[half] = packBf16(share[0], share[1]);  // C's layout of two neighbouring tiles is A's of one
  fragment[half + 2] = packBf16(share[2], share[3]);
}

/// Adds the shares' sums and their products with the values. row: the lane's, of the first of these. kTail: only
/// `count` keys are there.
template <int kSets, int kGroups, bool kTail>
__device__ __forceinline__ void addValues(Queries<kSets>& queries, const Scores<kSets, kGroups>& scores,
                                          const bf16* row, int count, float scale) {
#pragma unroll
  for (int group = 0; group < kGroups; ++group) {
    uint32_t shares[kSets][4];
#pragma unroll
    for (int set = 0; set < kSets; ++set) {
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        float share[4];
#pragma unroll
        for (int i = 0; i < 4; ++i) {
          const float product = scores.of[set][2 * group + i / 2][2 * half + i % 2];
          share[i] = shareOf<kTail>(product, scale, queries.shift[set][half], i, count - group * 16);
        }
        packShares(shares[set], half, share);
        const uint32_t a = shares[set][half], b = shares[set][half + 2];
        queries.sum[set][half] += (lowOf(a) + highOf(a)) + (lowOf(b) + highOf(b));
      }
    }
#pragma unroll
    for (int j = 0; j < kHeadDim / 16; ++j) {
      uint32_t loaded[4];
      loadMatricesTransposed(loaded, row + group * 16 * kStride + j * 16);
      const uint32_t low[2] = {loaded[0], loaded[1]}, high[2] = {loaded[2], loaded[3]};
#pragma unroll
      for (int set = 0; set < kSets; ++set) {
        mma16816(queries.out[set][2 * j], shares[set], low);
        mma16816(queries.out[set][2 * j + 1], shares[set], high);
      }
    }
  }
}

/// One query by one warp, with a running maximum, from global memory: for what the kernel below cannot represent. A
/// lane takes every 32nd key's product, then two columns of the result.
__device__ __forceinline__ void attendRow(bf16* y, const bf16* q, const bf16* k, int64_t dim, int tokens, float scale) {
  const int lane = threadIdx.x % kWarp;
  float top = -INFINITY, sum = 0, out[2] = {};
  for (int from = 0; from < tokens; from += static_cast<int>(kWarp)) {
    float product = -INFINITY;
    if (from + lane < tokens) {
      const bf16* key = k + (from + lane) * 3 * dim;
      product = 0;
      for (int i = 0; i < kHeadDim; ++i) product = fmaf(toFloat(q[i]), toFloat(key[i]), product);
    }
    const float newTop = fmaxf(top, maxOfLanes(product)), fading = exp2Approx((top - newTop) * scale);
    const float share = exp2Approx((product - newTop) * scale);
    top = newTop;
    sum = fmaf(sum, fading, share);
    for (float& x : out) x *= fading;
    for (int i = 0; i < min(static_cast<int>(kWarp), tokens - from); ++i) {
      const auto value = *reinterpret_cast<const Pack<bf16, 2>*>(k + (from + i) * 3 * dim + dim + 2 * lane);
      const float of = __shfl_sync(kAllLanes, share, i);
      for (int c = 0; c < 2; ++c) out[c] = fmaf(of, toFloat(value.values[c]), out[c]);
    }
  }
  const float part = 1.0f / sumOfLanes(sum);
  *reinterpret_cast<Pack<bf16, 2>*>(y + 2 * lane) = {{fromFloat<bf16>(out[0] * part), fromFloat<bf16>(out[1] * part)}};
}

/// Divides by the sums and writes, 16 bytes at a time; then does anew the queries whose sums are out of range.
template <int kSets>
__device__ __forceinline__ void finish(const Queries<kSets>& queries, bf16* y, const bf16* q, int first, int tokens,
                                       int64_t dim, float scale) {
  const int lane = threadIdx.x % kWarp, g = lane / 4, t = lane % 4;
  unsigned outOfRange = 0;  // a bit for each half of each set
#pragma unroll
  for (int set = 0; set < kSets; ++set) {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const float sum = sumOfLanes<4>(queries.sum[set][half]), part = 1.0f / sum;
      const int query = first + set * 16 + half * 8 + g;
      const bool fits = !(sum > kLargestSum || sum < 1 / kLargestSum);  // a NaN is one of the operands
      if (!fits && query < tokens) outOfRange |= 1u << (set * 2 + half);
#pragma unroll
      for (int j = 0; j < kHeadDim / 8; j += 4) {
        uint32_t pairs[4];
#pragma unroll
        for (int i = 0; i < 4; ++i) {
          const float* pair = &queries.out[set][j + i][2 * half];
          pairs[i] = packBf16(pair[0] * part, pair[1] * part);
        }
        transposeFour(pairs);
        Pack<bf16, 8> pack;
        std::memcpy(&pack, pairs, sizeof pairs);
        if (fits && query < tokens) *reinterpret_cast<Pack<bf16, 8>*>(y + query * dim + (j + t) * 8) = pack;
      }
    }
  }
  if (!__any_sync(kAllLanes, outOfRange != 0)) return;
#pragma unroll 1
  for (int row = 0; row < 16 * kSets; ++row) {
    const unsigned halves = __shfl_sync(kAllLanes, outOfRange, row % 8 * 4);
    if (halves >> (row / 8) & 1) {
      attendRow(y + (first + row) * dim, q + (first + row) * 3 * dim, q + dim, dim, tokens, scale);
    }
  }
}

// A block of kWarps warps for 16 * kSets * kWarps queries of one head, each warp for 16 * kSets of them; blocks of one
// head are neighbours, so that its keys come from the second-level cache, but blocks with fewer queries come last. Each
// block reads its queries once and all keys and values of its head: N * 256 bytes for 16 * kSets * kWarps * N * 256
// flops on tensor cores, and writes 128 bytes a query. Tiles of 32 keys pass through a ring in shared memory.
//
// No maximum is kept: a row's products are taken relative to the largest of its first 16 keys, and a share that is
// larger than 1 is as exact as one that is smaller, up to the end of float. So nothing is ever scaled anew, and no step
// waits for a maximum over keys and lanes: while the powers of two of one step are taken, the tensor cores work on the
// same warp's next products. Sums are of the rounded shares, so that a key that takes all still gets exactly its value.
// Rows whose sum passed 2^96, by products 66 above those of the first keys (in units of e's exponent), are done anew at
// the end. With two sets each fragment of K and V that a warp loads from shared memory serves two products, and a step
// is of 16 keys; with one set a small batch still fills the device, and a step is of 32 keys, so that more products are
// under way at once. All variants add the same numbers in the same order.
// scale: log2(e) / sqrt(d), for powers of two in place of e.
template <int kSets, int kWarps>
__global__ void __launch_bounds__(kWarps* kWarp, kSets == 1 && kWarps == 4 ? 3 : 2)
    tensorAttentionKernel(bf16* y, const bf16* qkv, int tokens, int heads, float scale) {
  constexpr int kWarpQueries = 16 * kSets, kGroups = 2 / kSets, kStep = 16 * kGroups, kSteps = kTileKeys / kStep;
  constexpr int kTiles = kSets;  // between two barriers: more where products take longer than a copy anyway
  constexpr int kAhead = kStages - kTiles;
  const Place place = placeOfBlock(tokens, heads, kWarps * kWarpQueries);
  const int64_t dim = int64_t{heads} * kHeadDim;
  const bf16* q = qkv + place.image * tokens * 3 * dim + place.head * kHeadDim;
  const bf16* k = q + dim;
  bf16* base = sharedMemory<bf16>();
#if defined(__CUDACC__)
  asm volatile("" : "+l"(base));  // else it is asked for anew for each tile
#endif
  const auto keysOf = [=](int stage) { return base + stage * 2 * kTileSize; };
  const auto after = [](int stage, int tiles) {
    return stage + tiles < kStages ? stage + tiles : stage + tiles - kStages;
  };
  const LaneRows rows = rowsOfLane();
  AsyncCopies copies;
  TileCopies<kWarps * kWarp, PaddedTile> tiles(k, dim, tokens);
#pragma unroll
  for (int stage = 0; stage < kAhead; ++stage) tiles.start(copies, keysOf(stage));

  const int first = place.firstQuery + static_cast<int>(threadIdx.x / kWarp) * kWarpQueries;
  const bool working = first < tokens;  // else the whole warp only helps to copy
  Queries<kSets> queries = {};
  if (working) loadQueries(queries, q, first, tokens, 3 * dim);
  copies.waitForGroup<kAhead - 1>();
  __syncthreads();  // the first tile is here
  Scores<kSets, kGroups> scores = {};
  if (working) {
    scores = multiplyKeys<kSets, kGroups>(queries, keysOf(0) + rows.key);
    takeShift(queries, scores, tokens, scale);
  }

  int stage = 0, count = tokens;  // keys from the tile at `stage` on
  const auto keysAt = [&](int key) { return keysOf(after(stage, key / kTileKeys)) + key % kTileKeys * kStride; };
#pragma unroll kSets == 2 ? 1 : 2
  for (; count > kTiles * kTileKeys; count -= kTiles * kTileKeys) {
    copies.waitForGroup<kAhead - kTiles - 1>();
    __syncthreads();  // these tiles and the one after are here, and nobody reads those before them any more
#pragma unroll
    for (int i = 0; i < kTiles; ++i) tiles.start(copies, keysOf(after(stage, kAhead + i)));
#pragma unroll 1
    for (int i = 0; i < kTiles; ++i) {
      if (working) {
#pragma unroll
        for (int step = 0; step < kSteps; ++step) {
          const auto following = multiplyKeys<kSets, kGroups>(queries, keysAt((step + 1) * kStep) + rows.key);
          addValues<kSets, kGroups, false>(queries, scores, keysAt(step * kStep) + kTileSize + rows.value, kStep,
                                           scale);
          scores = following;
        }
      }
      stage = after(stage, 1);
    }
  }
  copies.wait();
  __syncthreads();  // all tiles are here
  if (!working) return;
  int from = 0;  // of the keys left
#pragma unroll 1
  for (; from + kStep < count; from += kStep) {
    const auto following = multiplyKeys<kSets, kGroups>(queries, keysAt(from + kStep) + rows.key);
    addValues<kSets, kGroups, false>(queries, scores, keysAt(from) + kTileSize + rows.value, kStep, scale);
    scores = following;
  }
  addValues<kSets, kGroups, true>(queries, scores, keysAt(from) + kTileSize + rows.value, count - from, scale);
  finish(queries, y + place.image * tokens * dim + place.head * kHeadDim, q, first, tokens, dim, scale);
}

}  // namespace dinomaly::cuda::tensor
