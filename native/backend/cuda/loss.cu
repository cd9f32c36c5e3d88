#include "backend/cuda/loss.h"
#include "backend/cuda/select.h"

namespace dinomaly::cuda {
namespace {

constexpr float kEps = 1e-8f;             // torch's cosine_similarity clamps each norm with it
constexpr float kEasyPointFactor = 0.1f;  // what is left of the gradient of a well restored point (released code)
constexpr unsigned kRowThreads = 256;     // a warp a row, eight rows a block
constexpr unsigned kRowsPerBlock = kRowThreads / kWarp;

/// Of looseLoss().
struct Scratch {
  float* distance;      // (rows)
  float* sums;          // (3, rows): e * d, e * e, d * d
  float* coefficients;  // (images, 2): what e and d are multiplied by in the gradient
  float* threshold;     // (1)
  float* loss;          // (1): of this group
};

constexpr int kPacksAhead = 4;  // of a lane, of each tensor: all of a row of up to 1024 values in bf16

/// Calls use(i, e's values, d's values) for each pack of a row that is this lane's; kCount values a pack. Loads
/// kPacksAhead before it uses one, the last pack again, in vain, where there are fewer.
template <int kCount, typename T, typename Use>
__device__ __forceinline__ void forEachPack(const T* e, const T* d, int64_t dim, const Use& use) {
  using Values = Pack<T, kCount>;
  const auto packs = static_cast<int>(dim / kCount);
#pragma unroll 1
  for (int first = static_cast<int>(threadIdx.x % kWarp); first < packs;
       first += kPacksAhead * static_cast<int>(kWarp)) {
    Values ofE[kPacksAhead], ofD[kPacksAhead];
#pragma unroll
    for (int p = 0; p < kPacksAhead; ++p) {
      const int at = min(first + p * static_cast<int>(kWarp), packs - 1);
      ofE[p] = reinterpret_cast<const Values*>(e)[at];
      ofD[p] = reinterpret_cast<const Values*>(d)[at];
    }
#pragma unroll
    for (int p = 0; p < kPacksAhead; ++p) {
      const int at = first + p * static_cast<int>(kWarp);
      if (at < packs) use(at, ofE[p], ofD[p]);
    }
  }
}

// A warp a row, read once: 2 * rows * dim of T. Writes distance (rows) and, if sums is not null, the row's three sums,
// (3, rows). kCount: values of a load; dim is a multiple of it.
template <typename T, int kCount>
__global__ void __launch_bounds__(kRowThreads)
    rowSumsKernel(float* distance, float* sums, const T* e, const T* d, int64_t rows, int64_t dim) {
  const int64_t row = blockIdx.x * int64_t{kRowsPerBlock} + threadIdx.x / kWarp;
  if (row >= rows) return;  // the whole warp
  float ed = 0, ee = 0, dd = 0;
  forEachPack<kCount>(e + row * dim, d + row * dim, dim,
                      [&](int, const Pack<T, kCount>& ofE, const Pack<T, kCount>& ofD) {
#pragma unroll
                        for (int i = 0; i < kCount; ++i) {
                          const float x = toFloat(ofE.values[i]), y = toFloat(ofD.values[i]);
                          ed += x * y;
                          ee += x * x;
                          dd += y * y;
                        }
                      });
  ed = sumOfLanes(ed);
  ee = sumOfLanes(ee);
  dd = sumOfLanes(dd);
  if (threadIdx.x % kWarp != 0) return;
  distance[row] = 1.0f - ed / (fmaxf(sqrtf(ee), kEps) * fmaxf(sqrtf(dd), kEps));
  if (sums) {
    sums[row] = ed;
    sums[rows + row] = ee;
    sums[2 * rows + row] = dd;
  }
}

// Two blocks of kSelectThreads, at the same time: the first selects the threshold among the distances (rows), the
// second joins each image's row sums in double, a warp an image, and the images' losses, and adds these to the step's,
// to which no other kernel adds meanwhile. Reads 7 * rows floats in all.
// One block a multiprocessor is enough: without saying so ptxas aims at two, and spills.
__global__ void __launch_bounds__(kSelectThreads, 1)
    joinKernel(Scratch scratch, Step* step, int64_t images, int64_t patches, float share) {
  const int64_t rows = images * patches;
  if (blockIdx.x == 0) {
    const Selected selected = selectKthLargest(scratch.distance, rows, step->numbers.hardest, sharedMemory<unsigned>());
    if (threadIdx.x == 0) *scratch.threshold = fromOrderedKey(selected.key);
    return;
  }
  constexpr int64_t kWarps = kSelectThreads / kWarp;
  constexpr int kSumsAhead = 8;  // of each kind, that a lane has under way
  const unsigned lane = threadIdx.x % kWarp, warp = threadIdx.x / kWarp;
  const double eps = kEps, ofImage = 1.0 / static_cast<double>(images);
  double ofWarp = 0;  // loss of this warp's images
  for (int64_t image = warp; image < images; image += kWarps) {
    const float* sums = scratch.sums + image * patches;
    double ed = 0, ee = 0, dd = 0;
#pragma unroll 1
    for (int64_t first = lane; first < patches; first += kSumsAhead * kWarp) {
      float in[kSumsAhead][3];
#pragma unroll
      for (int j = 0; j < kSumsAhead; ++j) {
        const int64_t i = min(first + j * kWarp, patches - 1);
#pragma unroll
        for (int k = 0; k < 3; ++k) in[j][k] = sums[k * rows + i];
      }
#pragma unroll
      for (int j = 0; j < kSumsAhead; ++j) {
        if (first + j * kWarp >= patches) break;
        ed += static_cast<double>(in[j][0]);
        ee += static_cast<double>(in[j][1]);
        dd += static_cast<double>(in[j][2]);
      }
    }
    ed = sumOfLanes(ed);
    ee = sumOfLanes(ee);
    dd = sumOfLanes(dd);
    const double norms = max(sqrt(ee), eps) * max(sqrt(dd), eps), cosine = ed / norms;
    ofWarp += (1.0 - cosine) * ofImage;
    if (lane == 0) {  // d(1 - cos)/dd = -(e / (|e| |d|) - cos * d / |d|^2)
      const double part = static_cast<double>(share) * ofImage;
      scratch.coefficients[2 * image] = static_cast<float>(-part / norms);
      scratch.coefficients[2 * image + 1] = static_cast<float>(part * cosine / max(dd, eps * eps));
    }
  }
  double* const ofWarps = sharedMemory<double>();
  if (lane == 0) ofWarps[warp] = ofWarp;
  __syncthreads();
  if (warp > 0) return;
  const double total = sumOfLanes(ofWarps[lane]);
  if (lane > 0) return;
  *scratch.loss = static_cast<float>(total);  // finite where total is, which is about 2 at most
  step->outcome.loss += static_cast<double>(share) * total;
}

// A warp a row, element by element: reads 2 * rows * dim of T and writes rows * dim. dd may be d: each thread reads
// what it writes. Nothing is written if the loss is not finite.
template <typename T, int kCount>
__global__ void __launch_bounds__(kRowThreads)
    gradientKernel(T* dd, Scratch scratch, const T* e, const T* d, int64_t rows, int64_t patches, int64_t dim) {
  const int64_t row = blockIdx.x * int64_t{kRowsPerBlock} + threadIdx.x / kWarp;
  if (row >= rows) return;
  const bool isSound = isfinite(*scratch.loss);  // asked late, so that loads need not wait for it
  const float factor = scratch.distance[row] < *scratch.threshold ? kEasyPointFactor : 1.0f;
  const float* coefficients = scratch.coefficients + row / patches * 2;
  const float byE = coefficients[0], byD = coefficients[1];
  T* const out = dd + row * dim;
  forEachPack<kCount>(e + row * dim, d + row * dim, dim,
                      [&](int at, const Pack<T, kCount>& ofE, const Pack<T, kCount>& ofD) {
                        Pack<T, kCount> result;
#pragma unroll
                        for (int i = 0; i < kCount; ++i) {
                          const float x = toFloat(ofE.values[i]), y = toFloat(ofD.values[i]);
                          result.values[i] = fromFloat<T>(factor * (byE * x + byD * y));
                        }
                        if (isSound) reinterpret_cast<Pack<T, kCount>*>(out)[at] = result;
                      });
}

template <typename T>
void rowSums(Stream stream, float* distance, float* sums, const T* e, const T* d, int64_t rows, int64_t dim) {
  constexpr int kCount = kPackSize<T>;
  launch(stream,
         dim % kCount == 0 && onBoundary<kCount>(e) && onBoundary<kCount>(d) ? rowSumsKernel<T, kCount>
                                                                             : rowSumsKernel<T, 1>,
         blocksOf(rows, kRowsPerBlock), kRowThreads, 0, distance, sums, e, d, rows, dim);
}

}  // namespace

template <typename T>
void cosineDistance(Stream stream, float* distance, const T* e, const T* d, int64_t rows, int64_t dim) {
  float* const noSums = nullptr;
  rowSums(stream, distance, noSums, e, d, rows, dim);
}

template <typename T>
void looseLoss(Stream stream, T* dd, Step* step, float* scratch, const T* e, const T* d, int64_t images,
               int64_t patches, int64_t dim, float share) {
  const int64_t rows = images * patches;
  float *const coefficients = scratch + 4 * rows, *const threshold = coefficients + 2 * images;
  const Scratch parts = {scratch, scratch + rows, coefficients, threshold, threshold + 1};
  rowSums(stream, parts.distance, parts.sums, e, d, rows, dim);
  constexpr size_t kSharedBytes = kSelectBytes;  // holds a double of each warp too
  static_assert(kSharedBytes >= kSelectThreads / kWarp * sizeof(double));
  launch(stream, joinKernel, 2, kSelectThreads, kSharedBytes, parts, step, images, patches, share);
  constexpr int kCount = kPackSize<T>;
  const bool packed = dim % kCount == 0 && onBoundary<kCount>(dd) && onBoundary<kCount>(e) && onBoundary<kCount>(d);
  launch(stream, packed ? gradientKernel<T, kCount> : gradientKernel<T, 1>, blocksOf(rows, kRowsPerBlock), kRowThreads,
         0, dd, parts, e, d, rows, patches, dim);
}

int64_t looseLossScratch(int64_t images, int64_t patches) {
  return 4 * images * patches + 2 * images + 2;
}

template void cosineDistance(Stream, float*, const float*, const float*, int64_t, int64_t);
template void cosineDistance(Stream, float*, const bf16*, const bf16*, int64_t, int64_t);
template void looseLoss(Stream, float*, Step*, float*, const float*, const float*, int64_t, int64_t, int64_t, float);
template void looseLoss(Stream, bf16*, Step*, float*, const bf16*, const bf16*, int64_t, int64_t, int64_t, float);

}  // namespace dinomaly::cuda
