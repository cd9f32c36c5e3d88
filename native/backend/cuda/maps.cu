#include <algorithm>

#include "backend/cuda/maps.h"
#include "backend/cuda/select.h"
#include "core/map_axis.h"

namespace dinomaly::cuda {
namespace {

constexpr int64_t kSide = kMapSide, kPixels = kSide * kSide, kScorePixels = kPixels / 100;  // 1%, rounded down: 655
constexpr int kLines = 8;  // of a map, that a block writes
constexpr int64_t kBlocksPerMap = kSide / kLines;
constexpr int kMaxGroups = 16;  // of a launch

/// Passed to the kernel by value.
struct Groups {
  const float* distances[kMaxGroups];
  int count;
  float share;  // of each in the mean
};

// The map is D^T M A, with D (rows, 256) and A (cols, 256) for the axes and M the groups' mean. A block of 256 threads
// makes 8 lines of a map: first D's 8 columns times M, (cols, 8) in shared memory, a thread an element; rows that do
// not reach the lines (all but about three) are left out. Then a thread a column of the map, which adds up 8 sums at
// once: one coalesced load of A and two broadcast loads of shared memory for 8 multiplications. Reads A once a block,
// from cache; writes 4 bytes a pixel. Shared: 8 * (rows + cols) floats. add: maps hold the mean's share of other
// groups.
__global__ void __launch_bounds__(kSide) anomalyMapsKernel(float* maps, Groups groups, const float* down,
                                                           const float* across, int64_t rows, int64_t cols, bool add) {
  const int64_t image = blockIdx.x / kBlocksPerMap, line = blockIdx.x % kBlocksPerMap * kLines;
  float* const combined = sharedMemory<float>();    // (cols, kLines)
  float* const weights = combined + cols * kLines;  // (rows, kLines)
  for (int64_t i = threadIdx.x; i < rows * kLines; i += kSide)
    weights[i] = down[i / kLines * kSide + line + i % kLines];
  __syncthreads();
  for (int64_t i = threadIdx.x; i < cols * kLines; i += kSide) {
    const int64_t j = i / cols, c = i % cols;  // neighbouring threads read neighbouring patches
    float sum = 0;
    for (int64_t r = 0; r < rows; ++r) {
      const float weight = weights[r * kLines + j];
      if (weight == 0) continue;
      float patch = 0;
#pragma unroll
      for (int g = 0; g < kMaxGroups; ++g) {
        if (g < groups.count) patch += groups.distances[g][(image * rows + r) * cols + c];
      }
      sum += weight * patch;
    }
    combined[c * kLines + j] = sum * groups.share;
  }
  __syncthreads();
  float sums[kLines] = {};
#pragma unroll 4
  for (int64_t c = 0; c < cols; ++c) {
    const float weight = across[c * kSide + threadIdx.x];
    const auto* lines = reinterpret_cast<const Pack<float, 4>*>(combined + c * kLines);
#pragma unroll
    for (int half = 0; half < kLines / 4; ++half) {
      const Pack<float, 4> four = lines[half];
#pragma unroll
      for (int j = 0; j < 4; ++j) sums[half * 4 + j] += weight * four.values[j];
    }
  }
  float* const out = maps + (image * kSide + line) * kSide + threadIdx.x;
#pragma unroll
  for (int j = 0; j < kLines; ++j) out[j * kSide] = add ? out[j * kSide] + sums[j] : sums[j];
}

// A block a map, which it reads five times, 256 KB each, from cache after the first: four passes to select the 655-th
// largest, one to add up what lies above it. Equal values are counted, not looked for.
__global__ void __launch_bounds__(kSelectThreads) imageScoresKernel(float* scores, const float* maps) {
  unsigned* const scratch = sharedMemory<unsigned>();
  const float* map = maps + blockIdx.x * kPixels;
  const Selected selected = selectKthLargest(map, kPixels, kScorePixels, scratch);
  float sum = 0;
  forEachValue(map, kPixels, [&](float value) {
    if (orderedKey(value) > selected.key || value != value) sum += value;
  });
  sum = sumOfBlock(sum, reinterpret_cast<float*>(scratch));
  if (threadIdx.x == 0) {
    const float ties = static_cast<float>(selected.ties) * fromOrderedKey(selected.key);
    scores[blockIdx.x] = (sum + ties) / static_cast<float>(kScorePixels);
  }
}

}  // namespace

std::vector<float> mapAxisWeights(int64_t patches, int64_t size) {
  const std::vector<double> axis = mapAxis(patches, size);
  std::vector<float> weights(axis.size());
  for (int64_t i = 0; i < patches; ++i) {
    for (int64_t j = 0; j < kSide; ++j) {
      weights[static_cast<size_t>(i * kSide + j)] = static_cast<float>(axis[static_cast<size_t>(j * patches + i)]);
    }
  }
  return weights;
}

void anomalyMaps(Stream stream, float* maps, const std::vector<const float*>& distances, const float* down,
                 const float* across, int64_t images, int64_t rows, int64_t cols) {
  const auto total = static_cast<int64_t>(distances.size());
  for (int64_t first = 0; first < total; first += kMaxGroups) {
    Groups groups = {
        {}, static_cast<int>(std::min<int64_t>(kMaxGroups, total - first)), 1.0f / static_cast<float>(total)};
    std::copy_n(distances.begin() + first, groups.count, groups.distances);
    launch(stream, anomalyMapsKernel, static_cast<unsigned>(images * kBlocksPerMap), static_cast<unsigned>(kSide),
           static_cast<size_t>((rows + cols) * kLines) * sizeof(float), maps, groups, down, across, rows, cols,
           first > 0);
  }
}

void imageScores(Stream stream, float* scores, const float* maps, int64_t images) {
  launch(stream, imageScoresKernel, static_cast<unsigned>(images), kSelectThreads, kSelectBytes, scores, maps);
}

}  // namespace dinomaly::cuda
