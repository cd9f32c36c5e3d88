// The heads are independent. Of one, with q = phi(q), k = phi(k), kv = k^T v (d,d), sum = the sum of k (d),
// z = q . sum:
//   y = q kv / z
// and backward, without q kv, since dy . (q kv) = q . w:
//   w = dy kv^T, dz = -(q . w) / z^2, dq = (w / z + dz sum) phi', dkv = q^T (dy / z), dsum = the sum of dz q,
//   dv = k dkv, dk = (v dkv^T + dsum) phi'.
// What is summed over tokens, a "state" of (d,d) and (d) (kv and sum, or dkv and dsum), is summed over chunks of tokens
// in a block each, and joined in the order of chunks. How many chunks depends on the number of tokens alone.
#include <algorithm>
#include <type_traits>

#include "backend/cuda/linear_attention.h"
#include "backend/cuda/linear_attention_tensor.h"

namespace dinomaly::cuda {
namespace {

constexpr int64_t kChunkTokens = 128;  // at most, of one partial state
constexpr unsigned kJoinThreads = 256;

using Quad = Pack<float, 4>;

// kWidth: the head size, rounded up to 64 or 128; what is beyond d is zero. A block has 2 * kWidth threads and works on
// tiles of 4096 floats in shared memory, 16 KB: kTileRows tokens or rows of a state. Three tiles fit where a block may
// have 64 KB (7.5).
constexpr int kTileFloats = 4096;
template <int kWidth>
constexpr int kThreads = 2 * kWidth;
// Blocks on an SM that registers are kept for; where d is not kWidth, as many as there happen to be.
template <bool kExact, int kAtOnce>
constexpr int kBlocks = kExact ? kAtOnce : 1;
template <int kWidth>
constexpr int kTileRows = kTileFloats / kWidth;
template <int kWidth>
constexpr int kSlabs = kWidth / kTileRows<kWidth>;  // tiles that a (kWidth,kWidth) matrix makes
template <int kWidth>
constexpr int kStateFloats = (kWidth + 1) * kWidth;
template <int kWidth>
constexpr unsigned kJoinBlocks = (kStateFloats<kWidth> / 4 + kJoinThreads - 1) / kJoinThreads;

// The products. Outputs of tokens: a thread has kTokenRows neighbouring rows and 4 neighbouring columns; the threads of
// one row are neighbours in one warp. Outputs of a state: kStateRows neighbouring rows, and 4 columns of every 64.
template <int kWidth>
constexpr int kTokenRows = kTileRows<kWidth> / 8;
constexpr int kStateRows = 8;
template <int kWidth>
constexpr int kStateQuads = kWidth / 64;

template <int kWidth>
__device__ __forceinline__ unsigned tokenColumn() {  // in quads, as below
  return threadIdx.x % (kWidth / 4);
}
template <int kWidth>
__device__ __forceinline__ unsigned tokenRow() {
  return threadIdx.x / (kWidth / 4) * kTokenRows<kWidth>;
}
__device__ __forceinline__ unsigned stateColumn() {
  return threadIdx.x % 16;
}
__device__ __forceinline__ unsigned stateRow() {
  return threadIdx.x / 16 * kStateRows;
}

// Where a quad of a tile lies. The quads of a row are permuted, differently in each four rows, so that neither the
// threads of a row nor those that write a transposed tile meet in a bank.
template <int kWidth>
__device__ __forceinline__ Quad& quad(float* tile, unsigned row, unsigned column) {
  return *reinterpret_cast<Quad*>(tile + row * kWidth + (column ^ (row / 4 & 7)) * 4);
}

__device__ __forceinline__ float dot(const Quad& a, const Quad& b) {
  return a.values[0] * b.values[0] + a.values[1] * b.values[1] + a.values[2] * b.values[2] + a.values[3] * b.values[3];
}
__device__ __forceinline__ float phi(float x) {
  const float below = expf(x);  // always computed: a branch for each value would cost more
  return x > 0 ? x + 1.0f : below;
}
constexpr unsigned kMinusInfinity = 0xFF800000u;  // phi of which is 0
/// phi's slope where phi is y.
__device__ __forceinline__ float phiSlope(float y) {
  return fminf(y, 1.0f);
}

// `rows` rows of d values, `stride` apart -> a tile, the rest zero. kExact: d is kWidth, and rows begin on 16 bytes; a
// thread then loads all that it loads before it uses any.
template <int kWidth, bool kExact, bool kPhi, typename T>
__device__ __forceinline__ void loadTokens(float* tile, const T* from, int64_t stride, int rows, int d) {
  const unsigned thread = threadIdx.x, count = static_cast<unsigned>(rows);
  if constexpr (kExact) {
    constexpr unsigned kPack = kPackSize<T>, kPacks = kWidth / kPack;
    constexpr unsigned kEach = kTileFloats / kPack / kThreads<kWidth>, kRowStep = kThreads<kWidth> / kPacks;
    const unsigned firstRow = thread / kPacks, column = thread % kPacks * kPack;
    const T* at = from + firstRow * stride + column;
    const T missing = fromFloat<T>(kPhi ? __uint_as_float(kMinusInfinity) : 0.0f);
    Pack<T, kPack> packs[kEach];
#pragma unroll
    for (unsigned n = 0; n < kEach; ++n) {
#pragma unroll
      for (T& value : packs[n].values) value = missing;
      if (firstRow + n * kRowStep < count) packs[n] = *reinterpret_cast<const Pack<T, kPack>*>(at);
      at += kRowStep * stride;
    }
#pragma unroll
    for (unsigned n = 0; n < kEach; ++n) {
      const unsigned row = firstRow + n * kRowStep;
#pragma unroll
      for (unsigned part = 0; part < kPack; part += 4) {
        Quad values;
#pragma unroll
        for (int i = 0; i < 4; ++i) {
          const float value = toFloat(packs[n].values[part + i]);
          values.values[i] = kPhi ? phi(value) : value;
        }
        quad<kWidth>(tile, row, (column + part) / 4) = values;
      }
    }
  } else {
#pragma unroll 1
    for (unsigned index = thread; index < kTileFloats; index += kThreads<kWidth>) {
      const unsigned row = index / kWidth, column = index % kWidth;
      float value = 0;
      if (row < count && column < static_cast<unsigned>(d)) {
        value = toFloat(from[row * stride + column]);
        if (kPhi) value = phi(value);
      }
      quad<kWidth>(tile, row, column / 4).values[column % 4] = value;
    }
  }
}

// Rows `slab` * kTileRows and on of a (kWidth,kWidth) matrix, or of its transpose -> a tile.
template <int kWidth, bool kTransposed>
__device__ __forceinline__ void loadSlab(float* tile, const float* matrix, int slab) {
  constexpr unsigned kEach = kTileFloats / 4 / kThreads<kWidth>;
  constexpr unsigned kQuads = (kTransposed ? kTileRows<kWidth> : kWidth) / 4;  // in one row of the matrix
  const float* from = matrix + slab * kTileRows<kWidth> * (kTransposed ? 1 : kWidth);
  Quad quads[kEach];
#pragma unroll
  for (unsigned n = 0; n < kEach; ++n) {
    const unsigned index = n * kThreads<kWidth> + threadIdx.x;
    quads[n] = *reinterpret_cast<const Quad*>(from + index / kQuads * kWidth + index % kQuads * 4);
  }
#pragma unroll
  for (unsigned n = 0; n < kEach; ++n) {
    const unsigned index = n * kThreads<kWidth> + threadIdx.x;
    const unsigned row = index / kQuads, column = index % kQuads;
    if (kTransposed) {
      float* to = quad<kWidth>(tile, column * 4, row / 4).values + row % 4;
#pragma unroll
      for (unsigned i = 0; i < 4; ++i) to[i * kWidth] = quads[n].values[i];
    } else {
      quad<kWidth>(tile, row, column) = quads[n];
    }
  }
}

// sums (kTokenRows quads of a thread) += a (tokens) times a matrix of which `b` holds the slab `slab`. The order is
// that of the matrix's rows. Per 4 of them a thread loads 4 + kTokenRows quads for 16 * kTokenRows multiplications.
template <int kWidth>
__device__ __forceinline__ void multiply(Quad (&sums)[kTokenRows<kWidth>], float* a, float* b, int slab) {
  const unsigned row = tokenRow<kWidth>(), column = tokenColumn<kWidth>();
#pragma unroll 1
  for (int inner = 0; inner < kTileRows<kWidth> / 4; ++inner) {
    Quad right[4];
#pragma unroll
    for (int k = 0; k < 4; ++k) right[k] = quad<kWidth>(b, inner * 4 + k, column);
#pragma unroll
    for (int j = 0; j < kTokenRows<kWidth>; ++j) {
      const Quad left = quad<kWidth>(a, row + j, slab * (kTileRows<kWidth> / 4) + inner);
#pragma unroll
      for (int k = 0; k < 4; ++k) {
#pragma unroll
        for (int i = 0; i < 4; ++i) sums[j].values[i] += left.values[k] * right[k].values[i];
      }
    }
  }
}

// products += tokens times a whole matrix, or its transpose, slab by slab. `inUse`: others may still read the slab.
template <int kWidth, bool kTransposed>
__device__ __forceinline__ void multiplyByMatrix(Quad (&products)[kTokenRows<kWidth>], float* tokens, float* slab,
                                                 const float* matrix, bool inUse) {
#pragma unroll 1
  for (int n = 0; n < kSlabs<kWidth>; ++n) {
    if (n > 0 || inUse) __syncthreads();
    loadSlab<kWidth, kTransposed>(slab, matrix, n);
    __syncthreads();
    multiply<kWidth>(products, tokens, slab, n);
  }
}

// sums (kStateRows x kStateQuads quads of a thread) += a^T b over the first `rows` tokens, rounded up to a multiple
// of 4.
template <int kWidth>
__device__ __forceinline__ void multiplyTransposed(Quad (&sums)[kStateRows][kStateQuads<kWidth>], float* a, float* b,
                                                   int rows) {
  const unsigned row = stateRow(), column = stateColumn();
#pragma unroll 1
  for (int first = 0; first < rows; first += 4) {
#pragma unroll
    for (int k = 0; k < 4; ++k) {
      const Quad left[2] = {quad<kWidth>(a, first + k, row / 4), quad<kWidth>(a, first + k, row / 4 + 1)};
#pragma unroll
      for (int part = 0; part < kStateQuads<kWidth>; ++part) {
        const Quad right = quad<kWidth>(b, first + k, column + part * 16);
#pragma unroll
        for (int j = 0; j < kStateRows; ++j) {
#pragma unroll
          for (int i = 0; i < 4; ++i) sums[j][part].values[i] += left[j / 4].values[j % 4] * right.values[i];
        }
      }
    }
  }
}

// To global memory in one instruction; plain stores nvcc may split.
__device__ __forceinline__ void storeWhole(float* to, const Quad& values) {
  const float* v = values.values;
  __stcg(reinterpret_cast<float4*>(to), make_float4(v[0], v[1], v[2], v[3]));
}
__device__ __forceinline__ void storeWhole(bf16* to, const Quad& values) {
  const auto bits = [&values](int i) { return fromFloat<bf16>(values.values[i]).bits; };
  __stcg(reinterpret_cast<ushort4*>(to), make_ushort4(bits(0), bits(1), bits(2), bits(3)));
}

// A state, of which each thread has sums of multiplyTransposed() and a quad of the (kWidth) sums over its own tokens.
// scratch: a tile that is free.
template <int kWidth>
__device__ __forceinline__ void storeState(float* state, const Quad (&sums)[kStateRows][kStateQuads<kWidth>],
                                           const Quad& ofTokens, float* scratch) {
  *reinterpret_cast<Quad*>(scratch + threadIdx.x * 4) = ofTokens;
#pragma unroll
  for (int j = 0; j < kStateRows; ++j) {
#pragma unroll
    for (int part = 0; part < kStateQuads<kWidth>; ++part) {
      storeWhole(state + (stateRow() + j) * kWidth + (stateColumn() + part * 16) * 4, sums[j][part]);
    }
  }
  __syncthreads();
  if (threadIdx.x >= kWidth) return;
  float sum = 0;
#pragma unroll
  for (int n = 0; n < 8; ++n) sum += scratch[n * kWidth + threadIdx.x];
  state[kWidth * kWidth + threadIdx.x] = sum;
}

// The quad `column` of a row of d values at `to`.
template <bool kExact, typename T>
__device__ __forceinline__ void storeQuad(T* to, int column, const Quad& values, int d) {
  if constexpr (kExact) {
    storeWhole(to + column * 4, values);
  } else {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      if (column * 4 + i < d) to[column * 4 + i] = fromFloat<T>(values.values[i]);
    }
  }
}

/// Neighbouring lanes, which have a row of tokens among them.
template <int kWidth>
constexpr int kLanesOfRow = kWidth / 4;

struct Shape {
  int tokens, heads, d;
  int parts;       // of a head's tokens, a block each
  int partTokens;  // at most
};

// What a block works on: `count` tokens of one head of one picture.
struct Part {
  unsigned head;  // of all pictures' heads
  int count;
  int64_t token;  // the first, of all pictures'
  int channel;    // the first of the head's
  __device__ explicit Part(const Shape& s) : head(blockIdx.x / static_cast<unsigned>(s.parts)) {
    const int first = static_cast<int>(blockIdx.x % static_cast<unsigned>(s.parts)) * s.partTokens;
    const unsigned heads = static_cast<unsigned>(s.heads);
    count = min(s.partTokens, s.tokens - first);
    token = int64_t{head / heads} * s.tokens + first;
    channel = static_cast<int>(head % heads) * s.d;
  }
};

// partials (images * heads, chunks): kv and sum of a chunk of tokens. A block a chunk, two tiles of shared memory;
// reads k and v once, writes kStateFloats floats a chunk, which at 785 tokens of bf16 is half as much as it reads.
template <typename T, int kWidth, bool kExact>
__global__ void __launch_bounds__(kThreads<kWidth>, kBlocks<kExact, 4>)
    keyValueKernel(float* partials, const T* qkv, Shape s) {
  float* keys = sharedMemory<float>();
  float* values = keys + kTileFloats;
  const Part p(s);
  const int64_t dim = int64_t{s.heads} * s.d;
  const T* from = qkv + p.token * 3 * dim + p.channel;
  Quad sums[kStateRows][kStateQuads<kWidth>] = {};
  Quad ofTokens = {};
#pragma unroll 1
  for (int first = 0; first < p.count; first += kTileRows<kWidth>) {
    const int rows = min(p.count - first, kTileRows<kWidth>);
    const T* tile = from + first * 3 * dim;
    loadTokens<kWidth, kExact, true>(keys, tile + dim, 3 * dim, rows, s.d);
    loadTokens<kWidth, kExact, false>(values, tile + 2 * dim, 3 * dim, rows, s.d);
    __syncthreads();
#pragma unroll
    for (int j = 0; j < kTokenRows<kWidth>; ++j) {
      const Quad key = quad<kWidth>(keys, tokenRow<kWidth>() + j, tokenColumn<kWidth>());
#pragma unroll
      for (int i = 0; i < 4; ++i) ofTokens.values[i] += key.values[i];
    }
    multiplyTransposed<kWidth>(sums, keys, values, rows);
    __syncthreads();
  }
  storeState<kWidth>(partials + int64_t{blockIdx.x} * kStateFloats<kWidth>, sums, ofTokens, keys);
}

// states (images * heads) = the sums of partials (images * heads, chunks), in the order of chunks. A thread a quad of a
// state, kJoinBlocks blocks a state.
template <int kWidth>
__global__ void __launch_bounds__(kJoinThreads) joinStatesKernel(float* states, const float* partials, int chunks) {
  constexpr unsigned kQuads = kStateFloats<kWidth> / 4;
  const int64_t state = blockIdx.x / kJoinBlocks<kWidth>;
  const unsigned column = blockIdx.x % kJoinBlocks<kWidth> * kJoinThreads + threadIdx.x;
  if (column >= kQuads) return;
  const Quad* from = reinterpret_cast<const Quad*>(partials) + state * chunks * kQuads + column;
  Quad sum = from[0];
#pragma unroll 4
  for (int chunk = 1; chunk < chunks; ++chunk) {
    const Quad next = from[int64_t{chunk} * kQuads];
#pragma unroll
    for (int i = 0; i < 4; ++i) sum.values[i] += next.values[i];
  }
  reinterpret_cast<Quad*>(states)[state * kQuads + column] = sum;
}

// y from kv and sum. A block a tile of tokens, two tiles of shared memory; reads q once and kv (from the second-level
// cache) once a tile, writes y. z needs no barrier: each thread of a row takes 4 channels of it.
template <typename T, int kWidth, bool kExact>
__global__ void __launch_bounds__(kThreads<kWidth>, kBlocks<kExact, 5>)
    outputKernel(T* y, const float* states, const T* qkv, Shape s) {
  constexpr int kRows = kTokenRows<kWidth>;
  float* queries = sharedMemory<float>();
  float* slab = queries + kTileFloats;
  const Part p(s);
  const int64_t dim = int64_t{s.heads} * s.d;
  const float* state = states + int64_t{p.head} * kStateFloats<kWidth>;
  const unsigned row = tokenRow<kWidth>(), column = tokenColumn<kWidth>();
  loadTokens<kWidth, kExact, true>(queries, qkv + p.token * 3 * dim + p.channel, 3 * dim, p.count, s.d);
  Quad products[kRows] = {};
  multiplyByMatrix<kWidth, false>(products, queries, slab, state, false);
  const Quad sum = reinterpret_cast<const Quad*>(state + kWidth * kWidth)[column];
  T* to = y + (p.token + row) * dim + p.channel;
  float shares[kRows];
#pragma unroll
  for (int j = 0; j < kRows; ++j) {
    shares[j] = sumOfLanes<kLanesOfRow<kWidth>>(dot(quad<kWidth>(queries, row + j, column), sum));  // z
  }
#pragma unroll
  for (int j = 0; j < kRows; ++j) {
    shares[j] = 1.0f / shares[j];
    Quad out;
#pragma unroll
    for (int i = 0; i < 4; ++i) out.values[i] = products[j].values[i] * shares[j];
    if (static_cast<int>(row) + j < p.count) storeQuad<kExact>(to + j * dim, column, out, s.d);
  }
}

// dq, and partials (images * heads, chunks) of dkv and dsum. A block a chunk, three tiles of shared memory; reads q and
// dy once and kv once a chunk (at 64 channels), writes dq and kStateFloats floats a chunk. Only the threads of one warp
// read a row of dy before it is divided by z.
template <typename T, int kWidth, bool kExact>
__global__ void __launch_bounds__(kThreads<kWidth>, kBlocks<kExact, 3>)
    queryGradientKernel(T* dqkv, float* partials, const float* states, const T* dy, const T* qkv, Shape s) {
  constexpr int kRows = kTokenRows<kWidth>;
  float* queries = sharedMemory<float>();
  float* up = queries + kTileFloats;
  float* slab = up + kTileFloats;
  const Part p(s);
  const int64_t dim = int64_t{s.heads} * s.d;
  const float* state = states + int64_t{p.head} * kStateFloats<kWidth>;
  const unsigned row = tokenRow<kWidth>(), column = tokenColumn<kWidth>();
  const Quad sum = reinterpret_cast<const Quad*>(state + kWidth * kWidth)[column];
  Quad sums[kStateRows][kStateQuads<kWidth>] = {};
  Quad ofTokens = {};
#pragma unroll 1
  for (int first = 0; first < p.count; first += kTileRows<kWidth>) {
    const int rows = min(p.count - first, kTileRows<kWidth>);
    const int64_t token = p.token + first;
    loadTokens<kWidth, kExact, true>(queries, qkv + token * 3 * dim + p.channel, 3 * dim, rows, s.d);
    loadTokens<kWidth, kExact, false>(up, dy + token * dim + p.channel, dim, rows, s.d);
    Quad products[kRows] = {};
#pragma unroll 1
    for (int n = 0; n < kSlabs<kWidth>; ++n) {
      if (n > 0) __syncthreads();  // whoever still reads the last slab
      if (kSlabs<kWidth> != 1 || first == 0) loadSlab<kWidth, true>(slab, state, n);
      __syncthreads();
      multiply<kWidth>(products, up, slab, n);
    }
    __syncwarp();                    // whoever still reads these rows of dy
    float shares[kRows], dz[kRows];  // z and q . w at first
#pragma unroll
    for (int j = 0; j < kRows; ++j) {
      const Quad query = quad<kWidth>(queries, row + j, column);
      shares[j] = sumOfLanes<kLanesOfRow<kWidth>>(dot(query, sum));
      dz[j] = sumOfLanes<kLanesOfRow<kWidth>>(dot(query, products[j]));
    }
#pragma unroll
    for (int j = 0; j < kRows; ++j) {
      const bool inside = static_cast<int>(row) + j < rows;
      shares[j] = inside ? 1.0f / shares[j] : 0.0f;
      dz[j] = inside ? -dz[j] * shares[j] * shares[j] : 0.0f;
    }
    T* to = dqkv + (token + row) * 3 * dim + p.channel;
#pragma unroll
    for (int j = 0; j < kRows; ++j) {
      const Quad query = quad<kWidth>(queries, row + j, column);
      Quad out, shared = quad<kWidth>(up, row + j, column);
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        out.values[i] = (products[j].values[i] * shares[j] + dz[j] * sum.values[i]) * phiSlope(query.values[i]);
        ofTokens.values[i] += dz[j] * query.values[i];
        shared.values[i] *= shares[j];
      }
      quad<kWidth>(up, row + j, column) = shared;
      if (static_cast<int>(row) + j < rows) storeQuad<kExact>(to + j * 3 * dim, column, out, s.d);
    }
    __syncthreads();
    multiplyTransposed<kWidth>(sums, queries, up, rows);
    __syncthreads();
  }
  storeState<kWidth>(partials + int64_t{blockIdx.x} * kStateFloats<kWidth>, sums, ofTokens, queries);
}

// dv and dk from dkv and dsum. A block a tile of tokens, three tiles of shared memory; reads k and v once and dkv twice
// a tile (from the second-level cache), writes dk and dv.
template <typename T, int kWidth, bool kExact>
__global__ void __launch_bounds__(kThreads<kWidth>, kBlocks<kExact, 4>)
    keyValueGradientKernel(T* dqkv, const float* states, const T* qkv, Shape s) {
  constexpr int kRows = kTokenRows<kWidth>;
  float* keys = sharedMemory<float>();
  float* values = keys + kTileFloats;
  float* slab = values + kTileFloats;
  const Part p(s);
  const int64_t dim = int64_t{s.heads} * s.d;
  const float* state = states + int64_t{p.head} * kStateFloats<kWidth>;
  const unsigned row = tokenRow<kWidth>(), column = tokenColumn<kWidth>();
  const T* from = qkv + p.token * 3 * dim + p.channel;
  T* to = dqkv + (p.token + row) * 3 * dim + p.channel;
  loadTokens<kWidth, kExact, true>(keys, from + dim, 3 * dim, p.count, s.d);
  loadTokens<kWidth, kExact, false>(values, from + 2 * dim, 3 * dim, p.count, s.d);
  Quad products[kRows] = {};
  multiplyByMatrix<kWidth, false>(products, keys, slab, state, false);
#pragma unroll
  for (int j = 0; j < kRows; ++j) {
    if (static_cast<int>(row) + j < p.count) storeQuad<kExact>(to + j * 3 * dim + 2 * dim, column, products[j], s.d);
    products[j] = {};
  }
  multiplyByMatrix<kWidth, true>(products, values, slab, state, true);
  const Quad sum = reinterpret_cast<const Quad*>(state + kWidth * kWidth)[column];
#pragma unroll
  for (int j = 0; j < kRows; ++j) {
    const Quad key = quad<kWidth>(keys, row + j, column);
    Quad out;
#pragma unroll
    for (int i = 0; i < 4; ++i) out.values[i] = (products[j].values[i] + sum.values[i]) * phiSlope(key.values[i]);
    if (static_cast<int>(row) + j < p.count) storeQuad<kExact>(to + j * 3 * dim + dim, column, out, s.d);
  }
}

int64_t chunksOf(int64_t tokens) {
  return blocksOf(tokens, kChunkTokens);
}

// The launches for one width. states (images * heads) come first in the scratch memory, then partials.
template <typename T, int kWidth, bool kExact>
class Launches {
 public:
  Launches(Stream stream, float* scratch, const T* qkv, int64_t images, int64_t tokens, int64_t heads, int64_t d)
      : stream_(stream), qkv_(qkv), all_(images * heads), states_(scratch) {
    partials_ = states_ + all_ * kStateFloats<kWidth>;
    const auto shape = [&](int64_t parts, int64_t partTokens) {
      return Shape{static_cast<int>(tokens), static_cast<int>(heads), static_cast<int>(d), static_cast<int>(parts),
                   static_cast<int>(partTokens)};
    };
    const int64_t chunks = chunksOf(tokens);
    chunks_ = shape(chunks, blocksOf(tokens, chunks));
    tiles_ = shape(blocksOf(tokens, kTileRows<kWidth>), kTileRows<kWidth>);
  }

  void keyValue() {
    start(keyValueKernel<T, kWidth, kExact>, chunks_, 2, partials_, qkv_);
    join();
  }
  void output(T* y) { start(outputKernel<T, kWidth, kExact>, tiles_, 2, y, states_, qkv_); }
  void queryGradient(T* dqkv, const T* dy) {
    start(queryGradientKernel<T, kWidth, kExact>, chunks_, 3, dqkv, partials_, states_, dy, qkv_);
    join();  // over kv and sum, which nothing needs any more
  }
  void keyValueGradient(T* dqkv) { start(keyValueGradientKernel<T, kWidth, kExact>, tiles_, 3, dqkv, states_, qkv_); }

 private:
  template <typename Kernel, typename... Arguments>
  void start(Kernel kernel, const Shape& s, size_t tiles, Arguments... arguments) {
    launch(stream_, kernel, static_cast<unsigned>(all_ * s.parts), kThreads<kWidth>,
           tiles * kTileFloats * sizeof(float), arguments..., s);
  }
  void join() {
    launch(stream_, joinStatesKernel<kWidth>, static_cast<unsigned>(all_ * kJoinBlocks<kWidth>), kJoinThreads, 0,
           states_, partials_, chunks_.parts);
  }

  Stream stream_;
  const T* qkv_;
  int64_t all_;
  float *states_, *partials_;
  Shape chunks_, tiles_;
};

// Calls `run` with the launches for this head size. aligned: all tensors begin on 16 bytes.
template <typename T, typename Run>
void withLaunches(Stream stream, float* scratch, const T* qkv, bool aligned, int64_t images, int64_t tokens,
                  int64_t heads, int64_t d, const Run& run) {
  if (d < 1 || d > 128) {
    throw Error("ERR_DEVICE_UNAVAILABLE", "expected attention heads of at most 128 channels on a GPU, found " +
                                              std::to_string(d) + ": use device 'cpu'");
  }
  if (d == 64 && aligned) {
    run(Launches<T, 64, true>(stream, scratch, qkv, images, tokens, heads, d));
  } else if (d <= 64) {
    run(Launches<T, 64, false>(stream, scratch, qkv, images, tokens, heads, d));
  } else {
    run(Launches<T, 128, false>(stream, scratch, qkv, images, tokens, heads, d));
  }
}

}  // namespace

template <typename T>
LinearAttentionKernel linearAttentionKernelFor(std::initializer_list<const T*> tensors, int64_t headDim,
                                               int computeMajor) {
  const bool aligned = std::all_of(tensors.begin(), tensors.end(), onBoundary<kPackSize<T>, T>);
  return std::is_same_v<T, bf16> && headDim == kTensorHeadDim && computeMajor >= 8 && aligned
             ? LinearAttentionKernel::tensorCores
             : LinearAttentionKernel::plain;
}

template <typename T>
void linearAttention(Stream stream, T* y, float* scratch, const T* qkv, int64_t images, int64_t tokens, int64_t heads,
                     int64_t headDim, LinearAttentionKernel kernel) {
  if constexpr (std::is_same_v<T, bf16>) {
    if (kernel == LinearAttentionKernel::tensorCores)
      return tensorLinearAttention(stream, y, qkv, images, tokens, heads);
  }
  const bool aligned = onBoundary<kPackSize<T>>(y) && onBoundary<kPackSize<T>>(qkv);
  withLaunches(stream, scratch, qkv, aligned, images, tokens, heads, headDim, [&](auto launches) {
    launches.keyValue();
    launches.output(y);
  });
}

template <typename T>
void linearAttentionGradient(Stream stream, T* dqkv, float* scratch, const T* dy, const T* qkv, int64_t images,
                             int64_t tokens, int64_t heads, int64_t headDim, LinearAttentionKernel kernel) {
  if constexpr (std::is_same_v<T, bf16>) {
    if (kernel == LinearAttentionKernel::tensorCores) {
      return tensorLinearAttentionGradient(stream, dqkv, dy, qkv, images, tokens, heads);
    }
  }
  const bool aligned = onBoundary<kPackSize<T>>(dqkv) && onBoundary<kPackSize<T>>(dy) && onBoundary<kPackSize<T>>(qkv);
  withLaunches(stream, scratch, qkv, aligned, images, tokens, heads, headDim, [&](auto launches) {
    launches.keyValue();
    launches.queryGradient(dqkv, dy);
    launches.keyValueGradient(dqkv);
  });
}

int64_t linearAttentionScratch(int64_t images, int64_t tokens, int64_t heads, int64_t headDim,
                               LinearAttentionKernel kernel) {
  if (kernel == LinearAttentionKernel::tensorCores) return 0;
  return images * heads * (1 + chunksOf(tokens)) * (headDim <= 64 ? kStateFloats<64> : kStateFloats<128>);
}

template LinearAttentionKernel linearAttentionKernelFor(std::initializer_list<const float*>, int64_t, int);
template LinearAttentionKernel linearAttentionKernelFor(std::initializer_list<const bf16*>, int64_t, int);
template void linearAttention(Stream, float*, float*, const float*, int64_t, int64_t, int64_t, int64_t,
                              LinearAttentionKernel);
template void linearAttention(Stream, bf16*, float*, const bf16*, int64_t, int64_t, int64_t, int64_t,
                              LinearAttentionKernel);
template void linearAttentionGradient(Stream, float*, float*, const float*, const float*, int64_t, int64_t, int64_t,
                                      int64_t, LinearAttentionKernel);
template void linearAttentionGradient(Stream, bf16*, float*, const bf16*, const bf16*, int64_t, int64_t, int64_t,
                                      int64_t, LinearAttentionKernel);

}  // namespace dinomaly::cuda
