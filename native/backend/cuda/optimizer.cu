#include <algorithm>
#include <cmath>

#include "backend/cuda/optimizer.h"

namespace dinomaly::cuda {
namespace {

// 256 threads take 8 packs each of a chunk. The passes over the chunks (norm, update) move 4 and 36 bytes an element
// and compute little: they run as fast as memory does. A tensor's rate is divided by max(1, rms), which is known when
// its moments are; but it is seldom above 1, since AMSGrad's denominators do not shrink. So the update takes it for 1,
// and a third pass, of 16 bytes an element, corrects the parameters of those tensors whose rms is above. 58 M
// parameters are 7100 blocks, several for each that fits on a device at once, so that the last ones cost little; a
// chunk is still long against the few dependent reads that a block begins with. Chunks and the order of sums depend on
// sizes alone.
constexpr unsigned kThreads = 256;
constexpr unsigned kTensorThreads = 128;
constexpr unsigned kNormThreads = 1024;
constexpr unsigned kCorrectBlocks = 1056;  // eight for each multiprocessor of the largest devices
// Of updateKernel, a multiprocessor: as many as each toolkit finds registers for, 61 KB on their way.
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ < 750
constexpr unsigned kUpdateBlocks = 2;
#elif defined(__CUDA_ARCH__) && __CUDA_ARCH__ < 800
constexpr unsigned kUpdateBlocks = 4;
#else
constexpr unsigned kUpdateBlocks = 3;
#endif
constexpr int kPack = kPackSize<float>;
constexpr int kStride = kPack * static_cast<int>(kThreads);
constexpr size_t kScratchBytes = kWarp * sizeof(double);

using Floats = Pack<float, kPack>;

/// A step's numbers as the passes need them.
struct Factors {
  double rate;  // before division by max(1, rms)
  float beta1, beta2, rest1, rest2, correction, eps, decay;
  float clip;    // of gradients
  bool stopped;  // a loss or a norm was not finite
};
constexpr int64_t kFactorsSize = (sizeof(Factors) + sizeof(double) - 1) / sizeof(double);
static_assert(alignof(Factors) <= alignof(double));

struct Chunk {
  OptimizerTensor tensor;
  int32_t number;  // of the tensor
  int64_t begin;   // first element
  int count;
};

__device__ __forceinline__ Chunk chunkOf(const OptimizerTable& table, int64_t chunkNumber) {
  Chunk chunk;
  chunk.number = table.chunkTensors[chunkNumber];
  chunk.tensor = table.tensors[chunk.number];
  chunk.begin = (chunkNumber - chunk.tensor.firstChunk) * kOptimizerChunk;
  const int64_t left = chunk.tensor.size - chunk.begin;
  chunk.count = static_cast<int>(left < kOptimizerChunk ? left : kOptimizerChunk);
  return chunk;
}

/// Compilers take a pointer that a kernel has read from memory for one to any kind of memory, which is slower, unless
/// they are told. (11.8's does not listen.)
template <typename T>
__device__ __forceinline__ T* inGlobalMemory(T* array) {
#if defined(__CUDA_ARCH__)
  __builtin_assume(__isGlobal(array));
#endif
  return array;
}

/// An array of the tensor from the chunk's first element on.
template <typename T>
__device__ __forceinline__ T* inChunk(T* array, const Chunk& chunk) {
  return inGlobalMemory(array) + chunk.begin;
}

template <typename... Values>
__device__ __forceinline__ bool inPacks(const Values*... arrays) {
  return ((reinterpret_cast<uintptr_t>(arrays) % (sizeof(Values) * kPack) == 0) && ...);
}

__device__ __forceinline__ Floats loadPack(const float* x) {
  return *reinterpret_cast<const Floats*>(x);
}
__device__ __forceinline__ void storePack(float* x, const Floats& values) {
  *reinterpret_cast<Floats*>(x) = values;
}

/// The sum of `count` numbers by a whole block, thread by thread and then over threads.
__device__ __forceinline__ double sumOf(const double* x, int64_t count, double* scratch) {
  constexpr int kAhead = 8;  // that a thread has under way
  double sum = 0;
#pragma unroll 1
  for (int64_t first = threadIdx.x; first < count; first += int64_t{kAhead} * blockDim.x) {
    double in[kAhead];
#pragma unroll
    for (int i = 0; i < kAhead; ++i) in[i] = x[min(first + int64_t{i} * blockDim.x, count - 1)];
#pragma unroll
    for (int i = 0; i < kAhead; ++i) sum += first + int64_t{i} * blockDim.x < count ? in[i] : 0.0;
  }
  return sumOfBlock(sum, scratch);
}

// partials (chunks): sums of squares. A thread adds its 32 squares in float, in the same order with packs and without;
// the block adds those in double. Reads 4 bytes an element.
__global__ void __launch_bounds__(kThreads) squaresKernel(double* partials, OptimizerTable table) {
  const Chunk chunk = chunkOf(table, blockIdx.x);
  const float* g = inChunk(chunk.tensor.g, chunk);
  float sum = 0;
  int i = static_cast<int>(threadIdx.x) * kPack;
  if (inPacks(g)) {
    constexpr int kAtOnce = 4;  // reads under way before the first one's values are needed
    for (; i + (kAtOnce - 1) * kStride + kPack <= chunk.count; i += kAtOnce * kStride) {
      Floats x[kAtOnce];
#pragma unroll
      for (int j = 0; j < kAtOnce; ++j) x[j] = loadPack(g + i + j * kStride);
#pragma unroll
      for (int j = 0; j < kAtOnce; ++j) {
#pragma unroll
        for (int k = 0; k < kPack; ++k) sum += x[j].values[k] * x[j].values[k];
      }
    }
    for (; i + kPack <= chunk.count; i += kStride) {
      const Floats x = loadPack(g + i);
#pragma unroll
      for (int k = 0; k < kPack; ++k) sum += x.values[k] * x.values[k];
    }
  }
  for (; i < chunk.count; i += kStride) {  // no packs, or the end of one
#pragma unroll 1
    for (int k = i; k < i + kPack && k < chunk.count; ++k) sum += g[k] * g[k];
  }
  const double total = sumOfBlock(static_cast<double>(sum), sharedMemory<double>());
  if (threadIdx.x == 0) partials[blockIdx.x] = total;
}

/// What does not depend on the norm. The same roundings as on the CPU.
__device__ __forceinline__ void findFactors(Factors& f, const StepNumbers& n) {
  const auto t = static_cast<double>(n.t);
  f.rate = n.learningRate / (1 - pow(n.beta1, t));
  f.beta1 = static_cast<float>(n.beta1);
  f.beta2 = static_cast<float>(n.beta2);
  f.rest1 = static_cast<float>(1 - n.beta1);
  f.rest2 = static_cast<float>(1 - n.beta2);
  f.correction = static_cast<float>(1 / sqrt(1 - pow(n.beta2, t)));
  f.eps = static_cast<float>(n.eps);
  f.decay = static_cast<float>(1 - n.learningRate * n.weightDecay);
}

// One block joins the partial sums of all chunks (8 bytes each). Its last thread finds the factors meanwhile, once for
// all chunks: powers in double take long on devices that have few units for it.
// One block a multiprocessor is enough: without saying so ptxas aims at two, and spills.
__global__ void __launch_bounds__(kNormThreads, 1)
    normKernel(Step* step, Factors* factors, const double* partials, int64_t chunks) {
  if (threadIdx.x == kNormThreads - 1) findFactors(*factors, step->numbers);
  const double norm = sqrt(sumOf(partials, chunks, sharedMemory<double>()));
  if (threadIdx.x != 0) return;
  StepOutcome& outcome = step->outcome;
  outcome.gradientNorm = norm;
  const bool sound = isfinite(norm) && isfinite(outcome.loss);
  if (!sound && outcome.failed < 0) outcome.failed = step->numbers.iteration;
  factors->clip = static_cast<float>(min(1.0, step->numbers.clipNorm / (norm + 1e-6)));
  factors->stopped = outcome.failed >= 0;
}

__device__ __forceinline__ float denominatorOf(float vmax, const Factors& f) {
  return sqrtf(vmax) * f.correction + f.eps;
}

/// By `rate`. Returns (gradient / denominator)^2.
__device__ __forceinline__ float update(float& p, float& m, float& v, float& vmax, float g, const Factors& f,
                                        float rate) {
  const float gradient = g * f.clip;
  m = f.beta1 * m + f.rest1 * gradient;
  v = f.beta2 * v + f.rest2 * gradient * gradient;
  vmax = fmaxf(vmax, v);
  const float inverse = 1.0f / denominatorOf(vmax, f), ratio = gradient * inverse;
  p = p * f.decay - rate * (m * inverse);
  return ratio * ratio;
}

__device__ __forceinline__ void storeRounded(bf16* rounded, const Floats& values) {
  static_assert(kPack * sizeof(bf16) == sizeof(uint64_t));
  uint64_t bits = 0;  // a pack would be stored value by value
#pragma unroll
  for (int k = 0; k < kPack; ++k) bits |= uint64_t{fromFloat<bf16>(values.values[k]).bits} << (16 * k);
  *reinterpret_cast<uint64_t*>(rounded) = bits;
}

// All of a tensor as though its rms were 1 at most, and partials (chunks), the sums of (gradient / denominator)^2,
// added as in squaresKernel. Reads 20 bytes an element and writes 16, and 2 for a rounded copy. Blocks take the chunks
// from the last to the first: the norm has read the last gradients last, so that they are still in the second-level
// cache.
__global__ void __launch_bounds__(kThreads, kUpdateBlocks)
    updateKernel(double* partials, OptimizerTable table, const Factors* factors) {
  const Factors f = *factors;
  if (f.stopped) return;  // the whole grid
  const auto rate = static_cast<float>(f.rate);
  const unsigned chunkNumber = gridDim.x - 1 - blockIdx.x;
  const Chunk chunk = chunkOf(table, chunkNumber);
  float* const __restrict__ p = inChunk(chunk.tensor.p, chunk);
  float* const __restrict__ m = inChunk(chunk.tensor.m, chunk);
  float* const __restrict__ v = inChunk(chunk.tensor.v, chunk);
  float* const __restrict__ vmax = inChunk(chunk.tensor.vmax, chunk);
  const float* const __restrict__ g = inChunk(chunk.tensor.g, chunk);
  bf16* const __restrict__ rounded = inGlobalMemory(chunk.tensor.rounded);  // may be null
  float sum = 0;
  int i = static_cast<int>(threadIdx.x) * kPack;
  if (inPacks(p, m, v, vmax, g, rounded)) {
    for (; i + kPack <= chunk.count; i += kStride) {
      const Floats gradients = loadPack(g + i);
      Floats values = loadPack(p + i), first = loadPack(m + i), second = loadPack(v + i), largest = loadPack(vmax + i);
#pragma unroll
      for (int k = 0; k < kPack; ++k) {
        sum += update(values.values[k], first.values[k], second.values[k], largest.values[k], gradients.values[k], f,
                      rate);
      }
      storePack(p + i, values);
      storePack(m + i, first);
      storePack(v + i, second);
      storePack(vmax + i, largest);
      if (rounded) storeRounded(rounded + chunk.begin + i, values);
    }
  }
  for (; i < chunk.count; i += kStride) {
#pragma unroll 1
    for (int k = i; k < i + kPack && k < chunk.count; ++k) {
      sum += update(p[k], m[k], v[k], vmax[k], g[k], f, rate);
      if (rounded) rounded[chunk.begin + k] = fromFloat<bf16>(p[k]);
    }
  }
  const double total = sumOfBlock(static_cast<double>(sum), sharedMemory<double>());
  if (threadIdx.x == 0) partials[chunkNumber] = total;
}

// excesses (tensors): by how much the rate was above rate / max(1, rms), rms from partials. A block a tensor; reads 8
// bytes a chunk.
__global__ void __launch_bounds__(kTensorThreads)
    excessesKernel(double* excesses, const double* partials, OptimizerTable table, const Factors* factors) {
  const int64_t first = table.tensors[blockIdx.x].firstChunk, size = table.tensors[blockIdx.x].size;
  const int64_t chunks = (size + kOptimizerChunk - 1) / kOptimizerChunk;
  double excess = 0;
  if (!factors->stopped) {
    const double squares = sumOf(partials + first, chunks, sharedMemory<double>());
    excess = factors->rate - factors->rate / max(1.0, sqrt(squares / static_cast<double>(size)));
  }
  if (threadIdx.x == 0) excesses[blockIdx.x] = excess;
}

// Takes back what the update did too much to p, and to its rounded copy where there is one. Blocks take one chunk after
// the other; all but a look at excesses is for tensors that have one: reads 12 bytes an element, of which those of the
// first chunks are still in the second-level cache, and writes 4, and 2 for the copy.
__global__ void __launch_bounds__(kThreads, 4)
    correctKernel(const double* excesses, OptimizerTable table, const Factors* factors) {
  bool any = false;
  for (int64_t tensor = threadIdx.x % kWarp; tensor < table.tensorCount; tensor += kWarp) {
    any = any || excesses[tensor] != 0;
  }
  if (!__any_sync(kAllLanes, any)) return;  // the whole grid
  const Factors f = *factors;
  for (int64_t chunkNumber = blockIdx.x; chunkNumber < table.chunkCount; chunkNumber += gridDim.x) {
    const auto excess = static_cast<float>(excesses[table.chunkTensors[chunkNumber]]);
    if (excess == 0) continue;
    const Chunk chunk = chunkOf(table, chunkNumber);
    float* const __restrict__ p = inChunk(chunk.tensor.p, chunk);
    const float* const __restrict__ m = inChunk(chunk.tensor.m, chunk);
    const float* const __restrict__ vmax = inChunk(chunk.tensor.vmax, chunk);
    bf16* const __restrict__ rounded = inGlobalMemory(chunk.tensor.rounded);  // may be null
    int i = static_cast<int>(threadIdx.x) * kPack;
    if (inPacks(p, m, vmax, rounded)) {
      for (; i + kPack <= chunk.count; i += kStride) {
        Floats values = loadPack(p + i);
        const Floats first = loadPack(m + i), largest = loadPack(vmax + i);
#pragma unroll
        for (int k = 0; k < kPack; ++k) {
          values.values[k] += excess * (first.values[k] / denominatorOf(largest.values[k], f));
        }
        storePack(p + i, values);
        if (rounded) storeRounded(rounded + chunk.begin + i, values);
      }
    }
    for (; i < chunk.count; i += kStride) {
#pragma unroll 1
      for (int k = i; k < i + kPack && k < chunk.count; ++k) {
        const float value = p[k] + excess * (m[k] / denominatorOf(vmax[k], f));
        p[k] = value;
        if (rounded) rounded[chunk.begin + k] = fromFloat<bf16>(value);
      }
    }
  }
}

/// Behind the partial sums of chunks: excesses (tensors), then the factors.
double* excessesIn(double* partials, const OptimizerTable& table) {
  return partials + table.chunkCount;
}
Factors* factorsIn(double* partials, const OptimizerTable& table) {
  return reinterpret_cast<Factors*>(partials + table.chunkCount + table.tensorCount);
}

}  // namespace

std::vector<int32_t> assignChunks(std::vector<OptimizerTensor>& tensors) {
  std::vector<int32_t> chunkTensors;
  for (size_t i = 0; i < tensors.size(); ++i) {
    tensors[i].firstChunk = static_cast<int64_t>(chunkTensors.size());
    chunkTensors.resize(chunkTensors.size() + blocksOf(tensors[i].size, kOptimizerChunk), static_cast<int32_t>(i));
  }
  return chunkTensors;
}

int64_t optimizerPartials(int64_t chunkCount, int64_t tensorCount) {
  return chunkCount + tensorCount + kFactorsSize;
}

void gradientNorm(Stream stream, Step* step, const OptimizerTable& table, double* partials) {
  if (table.chunkCount > 0) {
    launch(stream, squaresKernel, static_cast<unsigned>(table.chunkCount), kThreads, kScratchBytes, partials, table);
  }
  launch(stream, normKernel, 1, kNormThreads, kScratchBytes, step, factorsIn(partials, table), partials,
         table.chunkCount);
}

void stableAdamW(Stream stream, const OptimizerTable& table, double* partials) {
  if (table.chunkCount == 0) return;
  const auto chunks = static_cast<unsigned>(table.chunkCount), tensors = static_cast<unsigned>(table.tensorCount);
  double* const excesses = excessesIn(partials, table);
  const Factors* const factors = factorsIn(partials, table);
  launch(stream, updateKernel, chunks, kThreads, kScratchBytes, partials, table, factors);
  launch(stream, excessesKernel, tensors, kTensorThreads, kScratchBytes, excesses, partials, table, factors);
  launch(stream, correctKernel, std::min(chunks, kCorrectBlocks), kThreads, 0, excesses, table, factors);
}

void loadStableAdamW() {
  cudaFuncAttributes attributes{};
  const char* const what = "loading the optimiser";
  check(cudaFuncGetAttributes(&attributes, updateKernel), what);
  check(cudaFuncGetAttributes(&attributes, excessesKernel), what);
  check(cudaFuncGetAttributes(&attributes, correctKernel), what);
}

}  // namespace dinomaly::cuda
