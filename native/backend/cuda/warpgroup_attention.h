// Softmax attention by warpgroups: bf16, head size 64, compute capability 9.0. For softmax_attention.cu. What a query's
// shares are, and why no maximum is kept, is told in tensor_attention.h.
#pragma once

#include "backend/cuda/tensor_attention.h"
#include "backend/cuda/warpgroup.h"

namespace dinomaly::cuda::tensor {

constexpr int kGroupQueries = 64;  // 16 a warp
constexpr int kGroupTileKeys = 48;
struct SwizzledTile {
  static constexpr int kRow = kSwizzledRow, kKeys = kGroupTileKeys, kSize = kKeys * kRow;
  static __device__ __forceinline__ int placeOf(int row, int chunk) { return swizzled(row, chunk); }
};
constexpr int kGroupStages = 4;
constexpr size_t kGroupShared = kGroupStages * 2 * SwizzledTile::kSize * sizeof(bf16) + kSwizzleBytes;  // 49 KiB

/// Products of a warp's 16 queries with a tile's keys, then their shares.
using TileScores = Scores<1, kGroupTileKeys / 16>;
/// As factors of the values.
using TileShares = uint32_t[kGroupTileKeys / 16][4];

/// The products, once they are waited for.
__device__ __forceinline__ void startKeys(WarpgroupProducts& products, TileScores& scores, const Queries<1>& queries,
                                          const SwizzledRows& keys) {
  products.startAcross<false>(scores.of[0], queries.q[0][0], keys, 0);
#pragma unroll
  for (int i = 1; i < kHeadDim / 16; ++i) products.startAcross<true>(scores.of[0], queries.q[0][i], keys, i);
  products.endGroup();
}

/// Adds the shares' products with a tile's values, once they are waited for.
__device__ __forceinline__ void startValues(WarpgroupProducts& products, Queries<1>& queries, const TileShares& shares,
                                            const SwizzledRows& values) {
#pragma unroll
  for (int group = 0; group < kGroupTileKeys / 16; ++group) {
    products.startAlong(queries.out[0], shares[group], values.from(group * 16));
  }
  products.endGroup();
}

/// Products become shares. kTail: only `count` keys are there.
template <bool kTail>
__device__ __forceinline__ void takeShares(TileScores& scores, const Queries<1>& queries, int count, float scale) {
#pragma unroll
  for (int j = 0; j < kGroupTileKeys / 8; ++j) {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      float& score = scores.of[0][j][i];
      score = shareOf<kTail>(score, scale, queries.shift[0][i / 2], i % 2, count - j * 8);
    }
  }
}

/// sums: of the shares as rounded, in each column, as the products with ones that they are; a tile's groups of keys
/// have one each, so as not to wait for each other.
using TileSums = float[kGroupTileKeys / 16][4];

__device__ __forceinline__ void packTile(TileShares& shares, TileSums& sums, const TileScores& scores) {
  constexpr uint32_t kOnes[2] = {0x3F803F80u, 0x3F803F80u};
#pragma unroll
  for (int group = 0; group < kGroupTileKeys / 16; ++group) {
    const auto &low = scores.of[0][2 * group], &high = scores.of[0][2 * group + 1];
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      packShares(shares[group], half, {low[2 * half], low[2 * half + 1], high[2 * half], high[2 * half + 1]});
    }
    mma16816(sums[group], shares[group], kOnes);
  }
}

/// This thread's share of copying a block's queries, which become part of the next group.
__device__ __forceinline__ void startQueries(AsyncCopies& copies, bf16* tile, const bf16* q, int first, int tokens,
                                             int64_t stride) {
  constexpr int kRows = static_cast<int>(kWarpgroup) / kChunks;
  const int row = static_cast<int>(threadIdx.x / kChunks), chunk = static_cast<int>(threadIdx.x % kChunks);
#pragma unroll
  for (int more = 0; more < kGroupQueries; more += kRows) {
    copies.start(tile + swizzled(row + more, chunk), q + (first + row + more) * stride + chunk * 8,
                 first + row + more < tokens);
  }
}

/// A warp's 16 queries from them.
__device__ __forceinline__ void takeQueries(Queries<1>& queries, const bf16* tile, int warp) {
  const int lane = threadIdx.x % kWarp, row = warp * 16 + lane % 16;
#pragma unroll
  for (int i = 0; i < kHeadDim / 16; ++i) loadMatrices(queries.q[0][i], tile + swizzled(row, 2 * i + lane / 16));
}

// A block of one warpgroup for 64 queries of one head, whose blocks are neighbours; a multiprocessor holds four. Each
// block reads its queries once and all keys and values of its head: N * 256 bytes for 16384 * N flops, from the
// second-level cache, and writes 128 bytes a query. Tiles of 48 keys pass through a ring in shared memory.
//
// Products read keys and values from shared memory, and go on while the warps compute: in a step a warpgroup starts the
// products of the next tile's keys and those of this tile's shares with the values, and takes the next tile's shares
// while the latter go on. A tile keeps tensor cores and the unit for powers of two busy for about as long, 192 cycles,
// and the four blocks, which never wait for each other, hide each other's waiting: larger blocks, which would read keys
// less often, were slower. That leaves 128 registers a thread: 32 for the result, 24 for a tile's products, 12 for its
// shares, 16 for the queries.
// scale: log2(e) / sqrt(d), for powers of two in place of e.
__global__ void __launch_bounds__(kWarpgroupIfAny, 4)
    warpgroupAttentionKernel(bf16* y, const bf16* qkv, int tokens, int heads, float scale) {
  if (!kHasWarpgroups) return;
  constexpr int kAhead = kGroupStages - 1;  // tiles on their way when a step begins
  const unsigned parts = (tokens + kGroupQueries - 1) / kGroupQueries, task = blockIdx.x / parts;
  const int64_t dim = int64_t{heads} * kHeadDim, image = task / heads;
  const int head = static_cast<int>(task % heads), block = static_cast<int>(blockIdx.x % parts) * kGroupQueries;
  const bf16* q = qkv + image * tokens * 3 * dim + head * kHeadDim;
  bf16* base = swizzleBegin(sharedMemory<bf16>());
  const SwizzledRows rows(base);
  const auto tileOf = [=](int stage) { return base + stage * 2 * SwizzledTile::kSize; };
  const auto keysOf = [=](int stage) { return rows.from(stage * 2 * kGroupTileKeys); };
  const auto valuesOf = [=](int stage) { return rows.from((stage * 2 + 1) * kGroupTileKeys); };
  const auto after = [](int stage, int tiles) { return (stage + tiles) % kGroupStages; };
  AsyncCopies copies;
  TileCopies<kWarpgroup, SwizzledTile> tiles(q + dim, dim, tokens);
  startQueries(copies, tileOf(kAhead), q, block, tokens, 3 * dim);
#pragma unroll
  for (int stage = 0; stage < kAhead; ++stage) tiles.start(copies, tileOf(stage));
  copies.waitForGroup<kAhead - 1>();
  showToProducts();
  __syncthreads();  // the queries and the first tile are here
  const int warp = static_cast<int>(threadIdx.x / kWarp);
  WarpgroupProducts products;
  Queries<1> queries = {};
  TileScores scores = {};
  TileShares shares;
  takeQueries(queries, tileOf(kAhead), warp);
  products.begin();
  startKeys(products, scores, queries, keysOf(0));
  products.finish<0>(scores.of[0]);
  takeShift(queries, scores, tokens, scale);
  takeShares<true>(scores, queries, tokens, scale);
  TileSums sums = {};
  packTile(shares, sums, scores);

  const auto step = [&](int stage, int next, int last, auto takeTheirShares) {
    copies.waitForGroup<kAhead - 2>();
    showToProducts();
    __syncthreads();  // the next tile is here, and nobody reads the one before any more
    tiles.start(copies, tileOf(last));
    products.settle(shares);
    products.begin();
    startKeys(products, scores, queries, keysOf(next));
    startValues(products, queries, shares, valuesOf(stage));
    products.finish<1>(scores.of[0]);
    takeTheirShares();
    products.finish<0>(queries.out[0]);
    products.settle(shares);
    packTile(shares, sums, scores);
  };
  int stage = 0, left = tokens - kGroupTileKeys;  // keys after the tile at `stage`
  const auto whole = [&] { takeShares<false>(scores, queries, kGroupTileKeys, scale); };
#pragma unroll 1
  for (; left >= kGroupStages * kGroupTileKeys; left -= kGroupStages * kGroupTileKeys) {
#pragma unroll
    for (int i = 0; i < kGroupStages; ++i) step(i, after(i, 1), after(i, kAhead), whole);
  }
#pragma unroll 1
  for (; left > 0; left -= kGroupTileKeys) {
    step(stage, after(stage, 1), after(stage, kAhead), [&] {
      if (left >= kGroupTileKeys) return whole();
      takeShares<true>(scores, queries, left, scale);
    });
    stage = after(stage, 1);
  }
  copies.wait();  // for nothing: after the last tile groups are empty
  products.settle(shares);
  products.begin();
  startValues(products, queries, shares, valuesOf(stage));
  products.finish<0>(queries.out[0]);
#pragma unroll
  for (int half = 0; half < 2; ++half) {  // all four lanes of a row have its whole sum, and finish() adds four
    queries.sum[0][half] = threadIdx.x % 4 ? 0 : sums[0][2 * half] + sums[1][2 * half] + sums[2][2 * half];
  }
  finish(queries, y + image * tokens * dim + head * kHeadDim, q, block + warp * 16, tokens, dim, scale);
}

}  // namespace dinomaly::cuda::tensor
