// The formulas are in linear_attention.cu. A block has one head of one image, from its first product to its last, so
// that states never leave the multiprocessor: 128 threads, four warps, each with tiles of 16 tokens of its own, every
// fourth of the head's. A warp waits for another only where states are joined.
//
// Products are of TF32 with sums in float. What comes in bf16 (q, k, v, dy) is exact in TF32; phi and states are
// rounded to it, 11 significant bits. Of an m16n8k8 product's operands (mma.h), it is free which tokens and channels
// are called rows, columns and depth 0, 1, 2..., as long as both operands agree; here they are such that a lane's part
// of a tile is whole packs of 8 neighbouring channels, read by one instruction each, and no value passes through shared
// memory twice. With g = lane / 4 and t = lane % 4 a lane has, of a tile in shared memory,
//   across tokens (a product's depth): tokens t and t + 4 of each 8, pack g;
//   along tokens (a product's rows):   tokens g and g + 8, packs t and t + 4.
#include "backend/cuda/async_copy.h"
#include "backend/cuda/linear_attention_tensor.h"
#include "backend/cuda/mma.h"

namespace dinomaly::cuda {
namespace {

constexpr int kDim = static_cast<int>(kTensorHeadDim);
constexpr int kPackChannels = 8;
constexpr int kWarps = 4;
constexpr unsigned kThreads = kWarps * kWarp;
constexpr int kRows = 16;                // of a tile: tokens
constexpr int kTileSize = kRows * kDim;  // 2 KiB
constexpr int kTiles = 4;                // of a warp, in shared memory
constexpr int kStateSize = kDim * kDim;
// Tiles, one state, and each warp's sums over tokens: 49 KiB, so that two blocks fit where a multiprocessor has 100 KiB
// (8.6, 8.9) with the one that each block takes beside.
constexpr size_t kShared = kWarps * kTiles * kTileSize * sizeof(bf16) + (kStateSize + kWarps * kDim) * sizeof(float);
constexpr float kLog2E = 1.44269504f;

/// A pack of 8 channels: two to a word, the first in the low half.
using Words = Pack<uint32_t, 4>;

__device__ __forceinline__ float channelOf(const Words& pack, int channel) {
  const uint32_t word = pack.values[channel / 2];
  return __uint_as_float(channel % 2 ? word & 0xFFFF0000u : word << 16);
}
/// As a product's operand.
__device__ __forceinline__ uint32_t exactTf32(const Words& pack, int channel) {
  return __float_as_uint(channelOf(pack, channel));
}
/// phi times kBeforeCut: cut off it is phi as TF32. Not a number where x is not.
__device__ __forceinline__ float raisedPhi(float x) {
  constexpr float kLog2OfIt = kLog2E * (kBeforeCut - 1.0f) * (1.5f - 0.5f * kBeforeCut);  // to the second order
  const float below = exp2Approx(fmaf(x, kLog2E, kLog2OfIt));
  return x > 0 ? fmaf(x, kBeforeCut, kBeforeCut) : below;
}
__device__ __forceinline__ float phiSlope(float x) {
  return fminf(exp2Approx(x * kLog2E), 1.0f);
}

/// Within a unit of the last place; infinite below 2^-126.
__device__ __forceinline__ float reciprocal(float x) {
#if defined(__CUDACC__)
  float y;
  asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
#else
  return 1.0f / x;
#endif
}

/// A block's part of the input.
struct Head {
  int64_t dim, row, channel;  // row: the image's first
  __device__ Head(int tokens, int heads)
      : dim(int64_t{heads} * kDim),
        row(int64_t{blockIdx.x / static_cast<unsigned>(heads)} * tokens),
        channel(int64_t{blockIdx.x % static_cast<unsigned>(heads)} * kDim) {}
  __device__ const bf16* of(const bf16* qkv) const { return qkv + row * 3 * dim + channel; }
  __device__ bf16* of(bf16* dqkv) const { return dqkv + row * 3 * dim + channel; }
};

/// Where a pack of a tile lies, in elements. The packs of a row are permuted, differently in each of 8 rows, so that
/// neither eight lanes that read across tokens, nor eight that read along them, meet in a bank.
__device__ __forceinline__ int placeOf(int row, int pack) {
  return row * kDim + (pack ^ ((row & 1) * 4 | (row & 2) | (row >> 2 & 1))) * kPackChannels;
}
__device__ __forceinline__ Words packOf(const bf16* tile, int row, int pack) {
  return *reinterpret_cast<const Words*>(tile + placeOf(row, pack));
}

/// In one instruction; plain stores nvcc may split.
__device__ __forceinline__ void storePack(bf16* to, const Words& pack) {
  __stcg(reinterpret_cast<uint4*>(to), make_uint4(pack.values[0], pack.values[1], pack.values[2], pack.values[3]));
}

/// Rows of one tensor of a head.
struct Rows {
  const bf16* first;
  int stride;
};

/// A warp's way through the tokens: kTensors tiles a step, one of each tensor, and copies on the way of as many steps
/// as its part of shared memory holds, 8 KiB. Rows beyond the last token are zero.
template <int kTensors>
class Steps {
 public:
  static constexpr int kAhead = kTiles / kTensors;
  static constexpr int kTokens = kWarps * kRows;  // from one step to the next

  static __device__ __forceinline__ int firstToken() { return static_cast<int>(threadIdx.x / kWarp) * kRows; }

  /// Starts the first copies, into a part of shared memory that nobody reads any more.
  __device__ __forceinline__ Steps(AsyncCopies& copies, bf16* tiles, const Rows (&tensors)[kTensors], int tokens)
      : copies_(copies), tiles_(tiles), tokens_(tokens) {
#pragma unroll
    for (int i = 0; i < kTensors; ++i) {
      const int row = firstToken() + static_cast<int>(threadIdx.x % kWarp / 8),
                pack = static_cast<int>(threadIdx.x % 8);
      tensors_[i] = {tensors[i].first + int64_t{row} * tensors[i].stride + pack * kPackChannels, tensors[i].stride};
    }
#pragma unroll
    for (int slot = 0; slot < kAhead; ++slot) start(slot, firstToken() + slot * kTokens);
  }

  /// The tiles of the next step, `slot` of which is its number modulo kAhead.
  __device__ __forceinline__ const bf16* wait(int slot) {
    copies_.template waitForGroup<kAhead - 1>();
    __syncwarp();
    return tiles_ + slot * kTensors * kTileSize;
  }
  /// This lane has read its part of them; `first` is their first token.
  __device__ __forceinline__ void release(int slot, int first) {
    __syncwarp();
    start(slot, first + kAhead * kTokens);
  }

 private:
  // A lane copies a pack of every fourth row.
  __device__ __forceinline__ void start(int slot, int first) {
    const int row = static_cast<int>(threadIdx.x % kWarp / 8), pack = static_cast<int>(threadIdx.x % 8);
    if (first < tokens_) {
#pragma unroll
      for (int i = 0; i < kTensors; ++i) {
#pragma unroll
        for (int more = 0; more < kRows; more += 4) {
          copies_.start(tiles_ + (slot * kTensors + i) * kTileSize + placeOf(row + more, pack),
                        tensors_[i].first + more * tensors_[i].stride, first + row + more < tokens_);
        }
        tensors_[i].first += kTokens * tensors_[i].stride;
      }
    }
    copies_.endGroup();
  }

  AsyncCopies& copies_;
  bf16* tiles_;
  Rows tensors_[kTensors];
  int tokens_;
};

/// A warp's part of a state while it is summed: the products m16n8k8 of channels (rows) and channels (columns). Of row
/// and column i and j of the product (m, n), those are i % 8 * 8 + 2 * m + i / 8 and j * 8 + n.
struct State {
  float sums[4][8][4];
  float ofTokens[kPackChannels];  // times kBeforeCut, of this lane's tokens: channels of pack g
};

// A state in shared memory: of each product (m, n) the four sums of a lane are neighbours, and lanes are permuted so
// that nobody meets in a bank who reads it as factors, by rows or by columns (loadFactors).
enum class Order {
  left,    // the four are an operand A, which is read as it is
  factors  // as they are summed, but the two rows of them change places where n is odd: other banks again
};
template <Order kOrder>
__device__ __forceinline__ int sumAt(int n, int place) {
  if (kOrder == Order::left) return place % 2 * 2 + place / 2;
  return n % 2 ? place ^ 2 : place;
}
__device__ __forceinline__ int placeOfLane(int g, int t) {
  return ((t & 1) | (g & 1) << 1 | ((t ^ g) >> 1 & 1) << 2 | g >> 1 << 3) * 4;
}
/// For factors: of row rowPack * 8 + row and column columnPack * 8 + column.
__device__ __forceinline__ int placeInState(int rowPack, int row, int columnPack, int column) {
  return (row / 2 * 8 + column) * (kWarp * 4) + placeOfLane(rowPack, columnPack / 2) + ((row ^ column) & 1) * 2 +
         columnPack % 2;
}

/// state += a^T b of 8 tokens.
__device__ __forceinline__ void addProducts(State& state, const uint32_t (&a)[2][kPackChannels], const Words& early,
                                            const Words& late) {
#pragma unroll
  for (int n = 0; n < 8; ++n) {
    const uint32_t right[2] = {exactTf32(early, n), exactTf32(late, n)};
#pragma unroll
    for (int m = 0; m < 4; ++m) {
      const uint32_t left[4] = {a[0][2 * m], a[0][2 * m + 1], a[1][2 * m], a[1][2 * m + 1]};
      mma1688(state.sums[m][n], left, right);
    }
  }
}

/// kv and sum of this warp's tokens.
__device__ __forceinline__ void sumKeysAndValues(State& state, Steps<2>& steps, int tokens) {
  const int lane = threadIdx.x % kWarp, g = lane / 4, t = lane % 4;
  int slot = 0;
#pragma unroll 1
  for (int first = Steps<2>::firstToken(); first < tokens; first += Steps<2>::kTokens) {
    const bf16* const keys = steps.wait(slot);
    Words k[2][2], v[2][2];
#pragma unroll
    for (int half = 0; half < 2; ++half) {
#pragma unroll
      for (int late = 0; late < 2; ++late) {
        k[half][late] = packOf(keys, half * 8 + late * 4 + t, g);
        v[half][late] = packOf(keys + kTileSize, half * 8 + late * 4 + t, g);
      }
    }
    steps.release(slot, first);
    slot ^= 1;
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      uint32_t left[2][kPackChannels];
#pragma unroll
      for (int late = 0; late < 2; ++late) {
        // phi(0) of a token that is missing meets a value of 0; it must only not be counted.
        const float inside = first + half * 8 + late * 4 + t < tokens ? 1.0f : 0.0f;
#pragma unroll
        for (int i = 0; i < kPackChannels; ++i) {
          const float key = raisedPhi(channelOf(k[half][late], i));
          state.ofTokens[i] = fmaf(key, inside, state.ofTokens[i]);
          left[late][i] = __float_as_uint(key);
        }
      }
      addProducts(state, left, v[half][0], v[half][1]);
    }
  }
}

/// `to` = kBeforeCut times the sum of the warps' states, and `sums` (kDim of kWarps * kDim floats) that of their sums
/// over tokens, no longer raised. Each product's row m goes around the warps, beginning with warp m.
template <Order kOrder>
__device__ __forceinline__ void joinStates(float* to, float* sums, State& state) {
  const int warp = threadIdx.x / kWarp, lane = threadIdx.x % kWarp, g = lane / 4, t = lane % 4;
  float* const mine = to + placeOfLane(g, t);
#pragma unroll
  for (float& sum : state.ofTokens) sum = sumOfLanes<4>(sum);
  __syncthreads();  // whoever still reads the last state
#pragma unroll
  for (int i = 0; i < kPackChannels; ++i) {
    if (t == i / 2) sums[warp * kDim + g * kPackChannels + i] = state.ofTokens[i];
  }
#pragma unroll 1
  for (int round = 0; round < kWarps; ++round) {
#pragma unroll
    for (int m = 0; m < 4; ++m) {
      if ((m + round) % kWarps != warp) continue;
#pragma unroll
      for (int n = 0; n < 8; ++n) {
        auto& four = *reinterpret_cast<Pack<float, 4>*>(mine + (m * 8 + n) * kWarp * 4);
        float sum[4];
#pragma unroll
        for (int i = 0; i < 4; ++i) sum[i] = state.sums[m][n][sumAt<kOrder>(n, i)];
        if (round > 0) {
          const Pack<float, 4> before = four;
#pragma unroll
          for (int i = 0; i < 4; ++i) sum[i] = before.values[i] + sum[i];
        }
        if (round == kWarps - 1) {
#pragma unroll
          for (float& each : sum) each *= kBeforeCut;
        }
        four = {{sum[0], sum[1], sum[2], sum[3]}};
      }
    }
    __syncthreads();
    if (round == 0 && threadIdx.x < kDim) {
      float sum = sums[threadIdx.x];
#pragma unroll
      for (int other = 1; other < kWarps; ++other) sum += sums[other * kDim + threadIdx.x];
      sums[threadIdx.x] = sum * (1.0f / kBeforeCut);
    }
  }
}

/// A state, or its transpose, as second factors: [depth / 8][columns / 8]. Depth d of a product is channel d % 4 * 8 +
/// d / 4 * 32 + its number; column j of product n is channel 2 * (n % 4) + j % 2 of pack j / 2 + n / 4 * 4.
using Factors = uint32_t[8][8][2];

template <bool kTransposed>
__device__ __forceinline__ void loadFactors(Factors& factors, const float* state) {
  const int lane = threadIdx.x % kWarp, g = lane / 4, t = lane % 4;
#pragma unroll
  for (int depth = 0; depth < 8; ++depth) {
#pragma unroll
    for (int n = 0; n < 8; ++n) {
#pragma unroll
      for (int late = 0; late < 2; ++late) {
        const int pack = t + 4 * late, columnPack = g / 2 + n / 4 * 4, column = 2 * (n % 4) + g % 2;
        const int place =
            kTransposed ? placeInState(columnPack, column, pack, depth) : placeInState(pack, depth, columnPack, column);
        factors[depth][n][late] = __float_as_uint(state[place]);
      }
    }
  }
}

/// Tokens g and g + 8 of a tile, packs t and t + 4.
struct Along {
  Words packs[2][2];  // [token][pack]
  __device__ __forceinline__ explicit Along(const bf16* tile) {
    const int lane = threadIdx.x % kWarp;
#pragma unroll
    for (int low = 0; low < 2; ++low) {
#pragma unroll
      for (int late = 0; late < 2; ++late) packs[low][late] = packOf(tile, lane / 4 + low * 8, lane % 4 + late * 4);
    }
  }
};

/// What a lane gets of a tile's product: of its token `low`, channel i of pack t + 4 * late is
/// values[late * 4 + i / 2][low * 2 + i % 2].
struct Products {
  float values[8][4];
};

/// Stores two tokens' packs, of those tokens that are there.
__device__ __forceinline__ void storeAlong(bf16* to, int stride, const Products& products, int token, int tokens) {
  const int lane = threadIdx.x % kWarp, t = lane % 4;
  token += lane / 4;
#pragma unroll
  for (int low = 0; low < 2; ++low) {
    if (token + low * 8 >= tokens) continue;
#pragma unroll
    for (int late = 0; late < 2; ++late) {
      Words pack;
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const float* pair = &products.values[late * 4 + i][low * 2];
        pack.values[i] = packBf16(pair[0], pair[1]);
      }
      storePack(to + int64_t{token + low * 8} * stride + (t + late * 4) * kPackChannels, pack);
    }
  }
}

/// A tile's operand of depth 8 * depth and on.
template <bool kPhi>
__device__ __forceinline__ void operandOf(uint32_t (&a)[4], const Along& tile, int depth) {
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    const Words& pack = tile.packs[i % 2][i / 2];
    a[i] = kPhi ? __float_as_uint(raisedPhi(channelOf(pack, depth))) : exactTf32(pack, depth);
  }
}

// y (images * tokens, heads * 64). Reads q, k and v once and writes y, 512 bytes a token and head for 16384 flops; no
// other memory. A warp keeps kv, 128 registers a thread, first as its sums and then as factors. A block for each head
// fills a device from batch 8 on (12 heads); at batch 1 it is one launch instead of three that are short of work too.
__global__ void __launch_bounds__(kThreads, 2) tensorOutputKernel(bf16* y, const bf16* qkv, int tokens, int heads) {
  const Head head(tokens, heads);
  const int warp = threadIdx.x / kWarp, lane = threadIdx.x % kWarp, g = lane / 4, t = lane % 4;
  bf16* const tiles = sharedMemory<bf16>() + warp * kTiles * kTileSize;
  float* const kv = reinterpret_cast<float*>(sharedMemory<bf16>() + kWarps * kTiles * kTileSize);
  float* const sums = kv + kStateSize;
  const bf16* const q = head.of(qkv);
  const int dim = static_cast<int>(head.dim), stride = 3 * dim;
  AsyncCopies copies;
  State state = {};
  {
    Steps<2> keys(copies, tiles, {{q + dim, stride}, {q + 2 * dim, stride}}, tokens);
    sumKeysAndValues(state, keys, tokens);
  }
  Steps<1> steps(copies, tiles, {{q, stride}}, tokens);  // on their way while states are joined
  joinStates<Order::factors>(kv, sums, state);
  Factors factors;
  loadFactors<false>(factors, kv);
  // sum as one more product's columns: what TF32 keeps of it in the even ones, and the rest in the odd ones.
  uint32_t ofSum[8][2];
#pragma unroll
  for (int depth = 0; depth < 8; ++depth) {
#pragma unroll
    for (int late = 0; late < 2; ++late) {
      const float sum = sums[(t + late * 4) * kPackChannels + depth];
      const uint32_t kept = toTf32(sum);
      ofSum[depth][late] = g % 2 ? toTf32(sum - __uint_as_float(kept)) : kept;
    }
  }
  bf16* const to = y + head.row * dim + head.channel;
  int slot = 0;
#pragma unroll 1
  for (int first = steps.firstToken(); first < tokens; first += steps.kTokens) {
    const Along queries(steps.wait(slot));
    steps.release(slot, first);
    slot = (slot + 1) % steps.kAhead;
    Products out = {};
    float z[4] = {};
#pragma unroll
    for (int depth = 0; depth < 8; ++depth) {
      uint32_t left[4];
      operandOf<true>(left, queries, depth);
#pragma unroll
      for (int n = 0; n < 8; ++n) mma1688(out.values[n], left, factors[depth][n]);
      mma1688(z, left, ofSum[depth]);
    }
    const float shares[2] = {reciprocal(z[0] + z[1]), reciprocal(z[2] + z[3])};
#pragma unroll
    for (int n = 0; n < 8; ++n) {
#pragma unroll
      for (int i = 0; i < 4; ++i) out.values[n][i] *= shares[i / 2];
    }
    storeAlong(to, dim, out, first, tokens);
  }
}

/// dq of this warp's tokens, and dkv and dsum of them. Each step's two tiles are q and dy.
__device__ __forceinline__ void sumQueries(State& state, Steps<2>& steps, bf16* dq, int stride, const float* kv,
                                           const float* sums, int tokens) {
  const int lane = threadIdx.x % kWarp, g = lane / 4, t = lane % 4;
  const float* const mine = kv + placeOfLane(g, t);
  int slot = 0;
#pragma unroll 1
  for (int first = Steps<2>::firstToken(); first < tokens; first += Steps<2>::kTokens) {
    const bf16* const queries = steps.wait(slot);
    const bf16* const up = queries + kTileSize;
    // w^T = kv dy^T, so that w lies across tokens as q does: column j is token j / 2 + j % 2 * 4 of 8. Depth d is
    // channel d % 4 * 16 + d / 4 * 8 + its number, as which a lane's sums of kv are its operand.
    float w[2][4][4] = {};
    {
      Words ups[2][2];
#pragma unroll
      for (int half = 0; half < 2; ++half) {
#pragma unroll
        for (int late = 0; late < 2; ++late) ups[half][late] = packOf(up, half * 8 + g / 2 + g % 2 * 4, 2 * t + late);
      }
#pragma unroll
      for (int depth = 0; depth < 8; ++depth) {
        uint32_t right[2][2];
#pragma unroll
        for (int half = 0; half < 2; ++half) {
#pragma unroll
          for (int late = 0; late < 2; ++late) right[half][late] = exactTf32(ups[half][late], depth);
        }
#pragma unroll
        for (int m = 0; m < 4; ++m) {
          const Words left = *reinterpret_cast<const Words*>(mine + (m * 8 + depth) * kWarp * 4);
#pragma unroll
          for (int half = 0; half < 2; ++half) mma1688(w[half][m], left.values, right[half]);
        }
      }
    }
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      uint32_t left[2][kPackChannels];
#pragma unroll
      for (int late = 0; late < 2; ++late) {
        const int row = half * 8 + late * 4 + t;
        const Words pack = packOf(queries, row, g);
        // Raised: query, and so z and qw, and by it twice what is cut.
        float query[kPackChannels], sum[kPackChannels];
        float z = 0, qw = 0;
#pragma unroll
        for (int i = 0; i < kPackChannels; ++i) {
          query[i] = raisedPhi(channelOf(pack, i));
          sum[i] = sums[g * kPackChannels + i];
          z = fmaf(query[i], sum[i], z);
          qw = fmaf(query[i], w[half][i / 2][i % 2 * 2 + late], qw);
        }
#pragma unroll
        for (int lanes = 4; lanes < static_cast<int>(kWarp); lanes *= 2) {  // that have a pack of the same token
          z += __shfl_xor_sync(kAllLanes, z, lanes);
          qw += __shfl_xor_sync(kAllLanes, qw, lanes);
        }
        const float share = reciprocal(z), lowered = -qw * share * share;  // dz / kBeforeCut
        const float raisedShare = share * kBeforeCut, dz = lowered * kBeforeCut;
        float out[kPackChannels];
#pragma unroll
        for (int i = 0; i < kPackChannels; ++i) {
          out[i] = fmaf(w[half][i / 2][i % 2 * 2 + late], share, lowered * sum[i]) * fminf(query[i], kBeforeCut);
          state.ofTokens[i] = fmaf(dz, query[i], state.ofTokens[i]);
          left[late][i] = __float_as_uint(query[i] * raisedShare);
        }
        if (first + row < tokens) {
          Words packed;
#pragma unroll
          for (int i = 0; i < 4; ++i) packed.values[i] = packBf16(out[2 * i], out[2 * i + 1]);
          storePack(dq + int64_t{first + row} * stride + g * kPackChannels, packed);
        }
      }
      __syncwarp();  // keeps nvcc from loading dy earlier, where registers are short
      addProducts(state, left, packOf(up, half * 8 + t, g), packOf(up, half * 8 + 4 + t, g));
    }
    steps.release(slot, first);
    slot ^= 1;
  }
}

// dqkv, shaped as qkv. A block reads q and dy once, v twice and k three times, of which all but the first should come
// from the second-level cache, and writes dq, dk and dv: 896 bytes a token and head (1280 with what is read again) for
// 40960 flops; no other memory. kv and then dkv are in shared memory; a warp has one of them in registers as well, as
// its sums or as factors.
__global__ void __launch_bounds__(kThreads, 2)
    tensorGradientKernel(bf16* dqkv, const bf16* dy, const bf16* qkv, int tokens, int heads) {
  const Head head(tokens, heads);
  const int warp = threadIdx.x / kWarp, lane = threadIdx.x % kWarp, t = lane % 4;
  bf16* const tiles = sharedMemory<bf16>() + warp * kTiles * kTileSize;
  float* const shared = reinterpret_cast<float*>(sharedMemory<bf16>() + kWarps * kTiles * kTileSize);
  float* const sums = shared + kStateSize;
  const bf16* const q = head.of(qkv);
  const int dim = static_cast<int>(head.dim), stride = 3 * dim;
  bf16* const dq = head.of(dqkv);
  const Rows ofKeys = {q + dim, stride}, ofValues = {q + 2 * dim, stride};
  AsyncCopies copies;
  State state = {};
  {
    Steps<2> keys(copies, tiles, {ofKeys, ofValues}, tokens);
    sumKeysAndValues(state, keys, tokens);
  }
  {
    // On their way while states are joined.
    Steps<2> queries(copies, tiles, {{q, stride}, {dy + head.row * dim + head.channel, dim}}, tokens);
    joinStates<Order::left>(shared, sums, state);
    state = {};
    sumQueries(state, queries, dq, stride, shared, sums, tokens);
  }
  Factors factors;
  {  // dv = k dkv
    Steps<1> steps(copies, tiles, {ofKeys}, tokens);
    joinStates<Order::factors>(shared, sums, state);
    loadFactors<false>(factors, shared);
    int slot = 0;
#pragma unroll 1
    for (int first = steps.firstToken(); first < tokens; first += steps.kTokens) {
      const Along keys(steps.wait(slot));
      steps.release(slot, first);
      slot = (slot + 1) % steps.kAhead;
      Products out = {};
#pragma unroll
      for (int depth = 0; depth < 8; ++depth) {
        uint32_t left[4];
        operandOf<true>(left, keys, depth);
#pragma unroll
        for (int n = 0; n < 8; ++n) mma1688(out.values[n], left, factors[depth][n]);
      }
      storeAlong(dq + 2 * dim, stride, out, first, tokens);
    }
  }
  // dk = (v dkv^T + dsum) phi'
  Steps<2> steps(copies, tiles, {ofKeys, ofValues}, tokens);
  loadFactors<true>(factors, shared);
  int slot = 0;
#pragma unroll 1
  for (int first = steps.firstToken(); first < tokens; first += steps.kTokens) {
    const bf16* const tile = steps.wait(slot);
    const Along keys(tile), values(tile + kTileSize);
    steps.release(slot, first);
    slot ^= 1;
    Products out;
#pragma unroll
    for (int n = 0; n < 8; ++n) {
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        out.values[n][i] = sums[(t + n / 4 * 4) * kPackChannels + 2 * (n % 4) + i % 2];
      }
    }
#pragma unroll
    for (int depth = 0; depth < 8; ++depth) {
      uint32_t left[4];
      operandOf<false>(left, values, depth);
#pragma unroll
      for (int n = 0; n < 8; ++n) mma1688(out.values[n], left, factors[depth][n]);
    }
#pragma unroll
    for (int n = 0; n < 8; ++n) {
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        out.values[n][i] *= phiSlope(channelOf(keys.packs[i / 2][n / 4], 2 * (n % 4) + i % 2));
      }
    }
    storeAlong(dq + dim, stride, out, first, tokens);
  }
}

}  // namespace

void tensorLinearAttention(Stream stream, bf16* y, const bf16* qkv, int64_t images, int64_t tokens, int64_t heads) {
  launch(stream, tensorOutputKernel, static_cast<unsigned>(images * heads), kThreads, kShared, y, qkv,
         static_cast<int>(tokens), static_cast<int>(heads));
}

void tensorLinearAttentionGradient(Stream stream, bf16* dqkv, const bf16* dy, const bf16* qkv, int64_t images,
                                   int64_t tokens, int64_t heads) {
  launch(stream, tensorGradientKernel, static_cast<unsigned>(images * heads), kThreads, kShared, dqkv, dy, qkv,
         static_cast<int>(tokens), static_cast<int>(heads));
}

}  // namespace dinomaly::cuda
