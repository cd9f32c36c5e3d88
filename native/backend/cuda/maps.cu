#include <algorithm>

#include "backend/cuda/async_copy.h"
#include "backend/cuda/maps.h"
#include "backend/cuda/select.h"
#include "core/map_axis.h"

namespace dinomaly::cuda {
namespace {

constexpr int64_t kSide = kMapSide, kPixels = kSide * kSide, kScorePixels = kPixels / 100;  // 1%, rounded down: 655
constexpr int kLines = 8;       // of a map, that a block writes
constexpr int kRowsAtOnce = 4;  // of patches, that a thread has under way
constexpr int64_t kBlocksPerMap = kSide / kLines;
constexpr int kMaxGroups = 16;  // of a launch

/// Passed to the kernel by value.
struct Groups {
  const float* distances[kMaxGroups];
  int count;
  float share;  // of each in the mean
};

// The map is D^T M A, with D (rows, 256) and A (cols, 256) for the axes and M the groups' mean. A block of 256 threads
// makes 8 lines of a map: first D's 8 columns times M, (cols, 8) in shared memory, a thread an element, which loads
// what it needs of four rows and two groups at a time; rows that do not reach the lines are left out, four together.
// Then a thread a column of the map, which adds up 8 sums at once: one coalesced load of A and two broadcast loads of
// shared memory for 8 multiplications. Reads A once a block, from cache; writes 4 bytes a pixel. Shared: 8 * (rows +
// cols) floats. add: maps hold the mean's share of other groups.
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
    for (int64_t first = 0; first < rows; first += kRowsAtOnce) {
      float weight[kRowsAtOnce], patch[kRowsAtOnce] = {};
      bool reaches = false;
#pragma unroll
      for (int r = 0; r < kRowsAtOnce; ++r) {
        weight[r] = first + r < rows ? weights[(first + r) * kLines + j] : 0.0f;
        reaches = reaches || weight[r] != 0;
      }
      if (!reaches) continue;
#pragma unroll
      for (int g = 0; g < kMaxGroups; g += 2) {
        if (g >= groups.count) break;
        const bool isPair = g + 1 < groups.count;  // else the same again, in vain, rather than a branch between loads
        const float *const one = groups.distances[g], *const other = isPair ? groups.distances[g + 1] : one;
#pragma unroll
        for (int r = 0; r < kRowsAtOnce; ++r) {
          const int64_t at = (image * rows + min(first + r, rows - 1)) * cols + c;
          const float ofOther = other[at];
          patch[r] += one[at];
          patch[r] += isPair ? ofOther : 0.0f;
        }
      }
#pragma unroll
      for (int r = 0; r < kRowsAtOnce; ++r) sum += weight[r] == 0 ? 0.0f : weight[r] * patch[r];
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

constexpr int kPack = kPackSize<float>;
constexpr int kPacksEach = static_cast<int>(kPixels) / kPack / static_cast<int>(kSelectThreads);
constexpr int kAtOnce = 4;    // of a thread's packs that are under way
constexpr int kTopsEach = 2;  // of a thread: of every eight packs
constexpr int64_t kTops = kTopsEach * int64_t{kSelectThreads};
constexpr unsigned kListPacks = 2048;
constexpr int kListHeld = kListPacks * kPack / kSelectThreads;

/// Of imageScoresKernel.
struct ScoreMemory {
  Pack<float, kPack> list[kListPacks];
  float tops[kTops];
  unsigned scratch[kSelectBytes / sizeof(unsigned)];
  unsigned counts[kSelectThreads / kWarp];
};

/// A thread's pack j: strewn over the map's lines and, in quarters, over its columns, so that something high lies among
/// the packs of many threads. Neighbouring threads' are neighbours.
__device__ __forceinline__ unsigned packOfMap(unsigned j) {
  constexpr unsigned kRowPacks = kSide / kPack, kQuarters = 4;
  const unsigned first =
      threadIdx.x / kRowPacks * kRowPacks + (threadIdx.x + j % kQuarters * (kRowPacks / kQuarters)) % kRowPacks;
  return first + j * kSelectThreads;
}

// A block a map, which it reads once, 256 KB. Each thread notes the highest value of each of its packs, 16 of four
// pixels, and of eight packs each time; the 655th largest of the latter is one that 655 pixels reach, so that only
// packs that reach it matter. Those, few of most maps, are copied to shared memory, where the 655th largest is
// selected and what lies above it added up. Equal values are counted, not looked for. A map with more packs of that
// height than there is room for, a constant one, is selected from where it is, in five more passes. Everything happens
// in an order that depends on the map alone.
__global__ void __launch_bounds__(kSelectThreads, 1) imageScoresKernel(float* scores, const float* maps) {
  auto& memory = *sharedMemory<ScoreMemory>();
  const float* const map = maps + blockIdx.x * kPixels;
  const auto* const packs = reinterpret_cast<const Pack<float, kPack>*>(map);
  constexpr int kTogether = kPacksEach / kTopsEach;
  const float lowest = fromOrderedKey(0);  // a NaN, which fmaxf() passes over
  float tops[kPacksEach];                  // of each pack
  float top = lowest, wrong = 0;           // of kTogether packs; NaN if there is one
#pragma unroll
  for (int first = 0; first < kPacksEach; first += kAtOnce) {
    Pack<float, kPack> in[kAtOnce];
#pragma unroll
    for (int j = 0; j < kAtOnce; ++j) in[j] = packs[packOfMap(static_cast<unsigned>(first + j))];
#pragma unroll
    for (int j = 0; j < kAtOnce; ++j) {
      float highest = lowest;
#pragma unroll
      for (int i = 0; i < kPack; ++i) {
        const float value = in[j].values[i];
        highest = fmaxf(highest, value);
        if (value != value) wrong = value;
      }
      tops[first + j] = highest;
      top = fmaxf(top, highest);
    }
    if ((first + kAtOnce) % kTogether == 0) {
      memory.tops[first / kTogether * kSelectThreads + threadIdx.x] = top;
      top = lowest;
    }
  }
  __syncthreads();
  const float bound =
      fromOrderedKey(selectKthLargest<16, kTopsEach>(memory.tops, kTops, kScorePixels, memory.scratch).key);
  unsigned reaching = 0;  // a bit for each of this thread's packs
#pragma unroll
  for (int j = 0; j < kPacksEach; ++j) reaching |= (tops[j] >= bound ? 1u : 0u) << j;
  const auto own = static_cast<unsigned>(__popc(reaching));
  const unsigned lane = threadIdx.x % kWarp, warp = threadIdx.x / kWarp;
  unsigned upTo = own;  // packs of this warp's lanes
#pragma unroll
  for (unsigned offset = 1; offset < kWarp; offset *= 2) {
    const unsigned before = __shfl_up_sync(kAllLanes, upTo, offset);
    if (lane >= offset) upTo += before;
  }
  if (lane == kWarp - 1) memory.counts[warp] = upTo;
  __syncthreads();
  const unsigned ofWarp = memory.counts[lane], total = sumOfLanes(ofWarp);
  unsigned position = sumOfLanes(lane < warp ? ofWarp : 0u) + upTo - own;
  const bool fits = total <= kListPacks && total * kPack >= kScorePixels;  // NaN reaches nothing
  if (fits) {
    AsyncCopies copies;
    for (unsigned left = reaching; left != 0; left &= left - 1) {
      const auto pack = static_cast<unsigned>(__popc((left & ~(left - 1)) - 1));
      copies.start(memory.list + position++, packs + packOfMap(pack), true);
    }
    copies.wait();
    __syncthreads();
  }
  const float* const values = fits ? memory.list[0].values : map;
  const int64_t count = fits ? int64_t{total} * kPack : kPixels;
  const Selected selected = selectKthLargest<32, kListHeld>(values, count, kScorePixels, memory.scratch);
  float sum = wrong;
  forEachValue(values, count, [&](float value) {
    if (orderedKey(value) > selected.key) sum += value;
  });
  sum = sumOfBlock(sum, reinterpret_cast<float*>(memory.scratch));
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
  launch(stream, imageScoresKernel, static_cast<unsigned>(images), kSelectThreads, sizeof(ScoreMemory), scores, maps);
}

}  // namespace dinomaly::cuda
