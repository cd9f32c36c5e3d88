#include <algorithm>
#include <cmath>
#include <cstdint>

#include "backend/cuda/elementwise.h"
#include "backend/cuda/gelu.h"
#include "core/philox.h"

namespace dinomaly::cuda {
namespace {

constexpr unsigned kThreads = 128;
constexpr int kPacks = 2;  // that a thread has in flight for each tensor

struct Convert {
  __device__ __forceinline__ float operator()(float x) const { return x; }
};

/// The packs that a thread sees to, its own kPacks of those that there are, neighbouring threads' being neighbours; and
/// of the size % kCount elements after the last pack, one for each of the last block's first threads.
template <int kCount>
struct Share {
  int64_t packs, first, rest;  // rest `size` or more: no such element
  __device__ __forceinline__ explicit Share(int64_t size)
      : packs(size / kCount),
        first(blockIdx.x * int64_t{kPacks * kThreads} + threadIdx.x),
        rest(blockIdx.x == gridDim.x - 1 ? packs * kCount + threadIdx.x : size) {}
  /// Beyond the last pack the last is loaded again, in vain: a branch would wait for each load before the next.
  template <typename T>
  __device__ __forceinline__ Pack<T, kCount> load(const T* x, int p) const {
    return reinterpret_cast<const Pack<T, kCount>*>(x)[min(first + p * int64_t{kThreads}, packs - 1)];
  }
  template <typename T>
  __device__ __forceinline__ void store(T* y, int p, const Pack<T, kCount>& pack) const {
    const int64_t number = first + p * int64_t{kThreads};
    if (number < packs) reinterpret_cast<Pack<T, kCount>*>(y)[number] = pack;
  }
};

// y (size) = function(x). A block takes kThreads * kPacks packs of kCount neighbours: 16 bytes of the wider type, or
// one element for tensors that do not begin on a pack's boundary. kPacks loads a thread keep enough bytes in flight to
// fill the memory's bus. Reads and writes size elements once: bound by memory alone (gelu.h).
template <int kCount, typename To, typename From, typename Function>
__global__ void __launch_bounds__(kThreads) mapKernel(To* y, const From* x, int64_t size, Function function) {
  const Share<kCount> share(size);
  Pack<From, kCount> in[kPacks];
#pragma unroll
  for (int p = 0; p < kPacks; ++p) in[p] = share.load(x, p);
#pragma unroll
  for (int p = 0; p < kPacks; ++p) {
    Pack<To, kCount> out;
#pragma unroll
    for (int i = 0; i < kCount; ++i) out.values[i] = fromFloat<To>(function(toFloat(in[p].values[i])));
    share.store(y, p, out);
  }
  if (kCount > 1) {
    const int64_t i = share.rest;
    if (i < size) y[i] = fromFloat<To>(function(toFloat(x[i])));
  }
}

constexpr int kMostTerms = 8;  // that one launch adds

/// What a launch adds, by value. After the last of `count` it is there again, for kernels that load more.
template <typename T>
struct Terms {
  Term<T> terms[kMostTerms];
  int count;
};

// y (rows,size), rows yStride apart, = the sum of up to kTerms terms. A thread takes a pack of kCount neighbours: 16
// bytes, or one element where rows do not begin on a pack's boundary; blockIdx.x counts a row's blocks, then rows.
// All terms are loaded, and selected without a branch, behind which the compiler would move the load, to wait for it
// there before the next; what is loaded again in vain comes from the first-level cache. Reads each term and writes y
// once: bound by memory alone.
template <int kTerms, int kCount, typename T>
__global__ void __launch_bounds__(kThreads)
    weightedSumKernel(T* y, int64_t yStride, Terms<T> sum, int64_t size, unsigned blocks) {
  const int64_t row = blockIdx.x / blocks;
  const int64_t i = ((blockIdx.x % blocks) * int64_t{kThreads} + threadIdx.x) * kCount;
  if (i >= size) return;
  Pack<T, kCount> in[kTerms];
#pragma unroll
  for (int k = 0; k < kTerms; ++k) {
    in[k] = *reinterpret_cast<const Pack<T, kCount>*>(sum.terms[k].x + row * sum.terms[k].stride + i);
  }
  float values[kCount] = {};
#pragma unroll
  for (int k = 0; k < kTerms; ++k) {
#pragma unroll
    for (int j = 0; j < kCount; ++j) {
      values[j] += k < sum.count ? sum.terms[k].weight * toFloat(in[k].values[j]) : 0.0f;
    }
  }
  Pack<T, kCount> out;
#pragma unroll
  for (int j = 0; j < kCount; ++j) out.values[j] = fromFloat<T>(values[j]);
  storeWhole(y + row * yStride + i, out);
}

constexpr int kWords = 4;  // that one Philox counter gives
constexpr unsigned kDropoutRows = 4;
constexpr int kRowPacks = 4;  // of a row that one thread takes
constexpr int64_t kWarpPacks = kRowPacks * int64_t{kWarp};

// Dropout over (rows,dim). A warp takes kWarpPacks packs of one row, so that no thread divides to find its row;
// kDropoutRows rows a block, numbered by blockIdx.x, and blockIdx.y is the part of the rows. A thread loads all of its
// packs at once, kCount neighbours each, computes the rounds' keys once for them, and draws four elements from one
// Philox counter; kept are those whose word is `least` at least. Reads and writes rows * dim elements once and stores
// no mask; some 25 instructions an element, most of them the words', which take nearly as long as memory does in bf16.
// kPacked: rows begin at multiples of 16 bytes.
template <bool kPacked, typename T>
__global__ void __launch_bounds__(kDropoutRows* kWarp)
    dropoutKernel(T* y, const T* x, int64_t rows, int64_t dim, uint32_t least, float keep, uint32_t place,
                  const Step* step) {
  constexpr int kCount = kPackSize<T>, kCounters = kCount / kWords;
  const int64_t row = blockIdx.x * int64_t{kDropoutRows} + threadIdx.x / kWarp;
  if (row >= rows) return;
  const auto first = static_cast<unsigned>(blockIdx.y * kWarpPacks) + threadIdx.x % kWarp;
  const auto packs = static_cast<unsigned>((dim + kCount - 1) / kCount);
  const T* const in = x + row * dim;
  T* const out = y + row * dim;
  Pack<T, kCount> values[kRowPacks] = {};
#pragma unroll
  for (int p = 0; p < kRowPacks; ++p) {
    const unsigned pack = first + p * kWarp;
    if (pack >= packs) continue;
    if (kPacked) {
      values[p] = reinterpret_cast<const Pack<T, kCount>*>(in)[pack];
    } else {
#pragma unroll
      for (int i = 0; i < kCount; ++i) {
        const int64_t at = int64_t{pack} * kCount + i;
        if (at < dim) values[p].values[i] = in[at];
      }
    }
  }
  const uint64_t seed = step->numbers.seed;
  const uint32_t iteration = step->numbers.iteration;
  uint32_t keys0[kPhiloxRounds], keys1[kPhiloxRounds];
#pragma unroll
  for (int round = 0; round < kPhiloxRounds; ++round) {
    keys0[round] = static_cast<uint32_t>(seed) + static_cast<uint32_t>(round) * kPhiloxKeyStep0;
    keys1[round] = static_cast<uint32_t>(seed >> 32) + static_cast<uint32_t>(round) * kPhiloxKeyStep1;
  }
#pragma unroll
  for (int p = 0; p < kRowPacks; ++p) {
    const unsigned pack = first + p * kWarp;
    if (pack >= packs) return;
#pragma unroll
    for (int c = 0; c < kCounters; ++c) {
      uint32_t words[kWords] = {pack * kCounters + c, static_cast<uint32_t>(row), iteration, place};
#pragma unroll
      for (int round = 0; round < kPhiloxRounds; ++round) {
        philoxRound(words[0], words[1], words[2], words[3], keys0[round], keys1[round]);
      }
#pragma unroll
      for (int i = 0; i < kWords; ++i) {
        T& value = values[p].values[c * kWords + i];
        value = fromFloat<T>(words[i] >= least ? toFloat(value) * keep : 0.0f);
      }
    }
    if (kPacked) {
      reinterpret_cast<Pack<T, kCount>*>(out)[pack] = values[p];
    } else {
#pragma unroll
      for (int i = 0; i < kCount; ++i) {
        const int64_t at = int64_t{pack} * kCount + i;
        if (at < dim) out[at] = values[p].values[i];
      }
    }
  }
}

/// The smallest word whose uniform() is `rate` at least, which is less than 1: both are multiples of 2^-24.
uint32_t leastWord(float rate) {
  return static_cast<uint32_t>(std::ceil(static_cast<double>(rate) * double{kUniformSteps})) << 8;
}

template <typename To, typename From, typename Function>
void map(Stream stream, To* y, const From* x, int64_t size, Function function) {
  constexpr int kCount = std::min(kPackSize<To>, kPackSize<From>);
  if (size == 0) return;
  const bool packed = size >= kCount && onBoundary<kCount>(y) && onBoundary<kCount>(x);
  launch(stream, packed ? mapKernel<kCount, To, From, Function> : mapKernel<1, To, From, Function>,
         blocksOf(size, kThreads * kPacks * (packed ? kCount : 1)), kThreads, 0, y, x, size, function);
}

template <typename T>
void addTerms(Stream stream, T* y, int64_t yStride, const Terms<T>& sum, int64_t rows, int64_t size) {
  constexpr int kCount = kPackSize<T>;
  bool packed = size % kCount == 0 && yStride % kCount == 0 && onBoundary<kCount>(y);
  for (const Term<T>& term : sum.terms) {
    packed = packed && term.stride % kCount == 0 && onBoundary<kCount>(term.x);
  }
  const auto kernel = !packed          ? weightedSumKernel<kMostTerms, 1, T>
                      : sum.count <= 2 ? weightedSumKernel<2, kCount, T>
                      : sum.count <= 4 ? weightedSumKernel<4, kCount, T>
                                       : weightedSumKernel<kMostTerms, kCount, T>;
  const unsigned blocks = blocksOf(size, kThreads * (packed ? kCount : 1));
  launch(stream, kernel, blocksOf(rows * blocks, 1), kThreads, 0, y, yStride, sum, size, blocks);
}

}  // namespace

template <typename T>
void gelu(Stream stream, T* y, const T* x, int64_t size) {
  map(stream, y, x, size, Gelu<T>());
}

template <typename T>
void weightedSum(Stream stream, T* y, int64_t yStride, const std::vector<Term<T>>& terms, int64_t rows, int64_t size) {
  if (rows == 0 || size == 0) return;
  for (size_t next = 0; next < terms.size();) {
    Terms<T> sum{};
    if (next > 0) sum.terms[sum.count++] = {y, 1.0f, yStride};
    while (next < terms.size() && sum.count < kMostTerms) sum.terms[sum.count++] = terms[next++];
    std::fill(sum.terms + sum.count, sum.terms + kMostTerms, sum.terms[sum.count - 1]);
    addTerms(stream, y, yStride, sum, rows, size);
  }
}

void convert(Stream stream, bf16* to, const float* from, int64_t size) {
  map(stream, to, from, size, Convert());
}
void convert(Stream stream, float* to, const bf16* from, int64_t size) {
  map(stream, to, from, size, Convert());
}

template <typename T>
void dropout(Stream stream, T* y, const T* x, int64_t rows, int64_t dim, float rate, uint32_t place, const Step* step) {
  constexpr int kCount = kPackSize<T>;
  if (rows == 0 || dim == 0 || (rate == 0 && y == x)) return;
  const float keep = 1.0f / (1.0f - rate);
  const bool packed = dim % kCount == 0 && onBoundary<kCount>(y) && onBoundary<kCount>(x);
  const dim3 grid(blocksOf(rows, kDropoutRows), blocksOf(dim, kCount * kWarpPacks));
  launch(stream, packed ? dropoutKernel<true, T> : dropoutKernel<false, T>, grid, kDropoutRows * kWarp, 0, y, x, rows,
         dim, leastWord(rate), keep, place, step);
}

template void gelu(Stream, float*, const float*, int64_t);
template void gelu(Stream, bf16*, const bf16*, int64_t);
template void weightedSum(Stream, float*, int64_t, const std::vector<Term<float>>&, int64_t, int64_t);
template void weightedSum(Stream, bf16*, int64_t, const std::vector<Term<bf16>>&, int64_t, int64_t);
template void dropout(Stream, float*, const float*, int64_t, int64_t, float, uint32_t, const Step*);
template void dropout(Stream, bf16*, const bf16*, int64_t, int64_t, float, uint32_t, const Step*);

}  // namespace dinomaly::cuda
