// The k-th largest on the emulated device, against sorting.
#include <limits>

#include "backend/cuda/select.h"
#include "cuda_support.h"

using namespace dinomaly;
using namespace dinomaly::cuda;

namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity(), kNaN = std::numeric_limits<float>::quiet_NaN();

/// values begins `skipped` floats into its memory, so that it need not be a multiple of 16 bytes.
float kthLargestOf(const std::vector<float>& values, int64_t k, size_t skipped = 0) {
  std::vector<float> memory(skipped);
  memory.insert(memory.end(), values.begin(), values.end());
  return inEveryOrder<float>([&] {
    std::vector<float> result(1);
    kthLargest(Stream(), result.data(), memory.data() + skipped, static_cast<int64_t>(values.size()), k);
    return result;
  })[0];
}

/// As another kernel would select: just after it has read from scratch what its last thread but threadIdx.x has put
/// there.
__global__ void readAndSelectKernel(float* found, const float* values, int64_t n, int64_t k) {
  auto* const scratch = sharedMemory<unsigned>();
  if (threadIdx.x < kSelectBins) scratch[threadIdx.x] = threadIdx.x;
  __syncthreads();
  const unsigned last = min(blockDim.x, kSelectBins) - 1;
  const unsigned read = scratch[last - min(threadIdx.x, last)];
  const Selected selected = selectKthLargest(values, n, k, scratch);
  found[3 * threadIdx.x] = static_cast<float>(read + min(threadIdx.x, last));
  found[3 * threadIdx.x + 1] = fromOrderedKey(selected.key);
  found[3 * threadIdx.x + 2] = static_cast<float>(selected.ties);
}

void check(const std::vector<float>& values) {
  const auto n = static_cast<int64_t>(values.size());
  CAPTURE(n);
  std::vector<float> sorted = values;
  std::sort(sorted.begin(), sorted.end(), std::greater<float>());
  for (const int64_t k : {int64_t{1}, (n + 1) / 2, n}) {
    CAPTURE(k);
    CHECK(kthLargestOf(values, k) == sorted[static_cast<size_t>(k - 1)]);
  }
  CHECK(kthLargestOf(values, (n + 1) / 2, 1) == sorted[static_cast<size_t>((n - 1) / 2)]);
}

}  // namespace

TEST_CASE("CUDA's k-th largest agrees with sorting") {
  for (const int64_t n : {1, 2, 5, 33, 4099, 12544}) check(noise(n, 1));
  const std::vector<float> map = noise(65536, 2);
  std::vector<float> sorted = map;
  std::sort(sorted.begin(), sorted.end(), std::greater<float>());
  CHECK(kthLargestOf(map, 655) == sorted[654]);
}

TEST_CASE("CUDA's k-th largest among equal values, zeros and infinities") {
  check(std::vector<float>(1000, 0.25f));
  std::vector<float> values = noise(1000, 1);
  for (size_t i = 0; i < values.size(); ++i) values[i] = std::floor(values[i] * 4) / 4;
  check(values);
  for (size_t i = 0; i < values.size(); ++i) values[i] = i % 2 ? 0.0f : -0.0f;
  check(values);
  for (size_t i = 0; i < values.size(); i += 3) values[i] = i % 2 ? kInfinity : -kInfinity;
  check(values);
  check({1e-45f, -1e-45f, 3.4e38f, -3.4e38f, 1e-38f});
}

TEST_CASE("CUDA's k-th largest: NaN lies beyond the infinity of its sign") {
  std::vector<float> values = noise(100, 1);
  values[5] = values[50] = std::copysign(kNaN, 1.0f);
  values[99] = std::copysign(kNaN, -1.0f);
  values[7] = kInfinity;
  CHECK(std::isnan(kthLargestOf(values, 1)));
  CHECK(std::isnan(kthLargestOf(values, 2)));
  CHECK(kthLargestOf(values, 3) == kInfinity);
  CHECK(std::isfinite(kthLargestOf(values, 4)));
  CHECK(std::isnan(kthLargestOf(values, 100)));
  CHECK(std::isnan(kthLargestOf(std::vector<float>(1000, kNaN), 500)));
}

TEST_CASE("CUDA's k-th largest takes k as from 1 to n") {
  CHECK(kthLargestOf({2, 3, 1}, 0) == 3);
  CHECK(kthLargestOf({2, 3, 1}, -7) == 3);
  CHECK(kthLargestOf({2, 3, 1}, 1000) == 1);
}

TEST_CASE("CUDA's k-th largest inside other kernels: blocks of any size, every thread gets it, ties are counted") {
  std::vector<float> values = noise(1001, 3), sorted;
  for (float& v : values) v = std::floor(v * 50) / 50;
  sorted = values;
  std::sort(sorted.begin(), sorted.end(), std::greater<float>());
  for (const unsigned threads : {32u, 96u, 256u, 1024u}) {
    for (const size_t k : {1, 300, 1001}) {
      const float expected = sorted[k - 1];
      const auto above = std::count_if(values.begin(), values.end(), [&](float v) { return v > expected; });
      const std::vector<float> found = inEveryOrder<float>([&] {
        std::vector<float> result(3 * threads);
        launch(Stream(), readAndSelectKernel, 1, threads, kSelectBytes, result.data(), values.data(), int64_t{1001},
               static_cast<int64_t>(k));
        return result;
      });
      for (unsigned i = 0; i < threads; ++i) {
        CHECK(found[3 * i] == static_cast<float>(std::min(threads, kSelectBins) - 1));
        CHECK(found[3 * i + 1] == expected);
        CHECK(found[3 * i + 2] == static_cast<float>(static_cast<int64_t>(k) - above));
      }
    }
  }
}
