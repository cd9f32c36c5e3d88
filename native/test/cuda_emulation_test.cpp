// What the emulation of CUDA's threads must catch: each kernel here has a fault on purpose.
#include "cuda_support.h"

using namespace dinomaly;
using namespace dinomaly::cuda;

namespace {

/// Sums its block's numbers in shared memory; `barriers` false: without waiting for the others.
__global__ void sharedSum(float* sum, const float* x, bool barriers) {
  float* shared = sharedMemory<float>();
  shared[threadIdx.x] = x[threadIdx.x];
  if (barriers) __syncthreads();
  if (threadIdx.x == 0) {
    float total = 0;
    for (unsigned i = 0; i < blockDim.x; ++i) total += shared[i];
    *sum = total;
  }
}

/// Each thread adds itself to one float without atomics, reading, waiting for nobody and writing.
__global__ void racingSum(float* sum, const float* x) {
  const float old = *sum;
  __syncthreads();
  *sum = old + x[threadIdx.x];
}

__global__ void dividedBarrier() {
  if (threadIdx.x < 7) __syncthreads();
}

__global__ void dividedShuffle(float* x) {
  if (threadIdx.x % 2) x[threadIdx.x] = __shfl_xor_sync(kAllLanes, x[threadIdx.x], 1);
}

__global__ void beyondItsMemory(float* x, int64_t size) {
  x[blockIdx.x * blockDim.x + threadIdx.x] = static_cast<float>(size);
}

std::vector<float> inOrder(emulated::Order order, const std::function<void(float*)>& run) {
  std::vector<float> result(1);
  emulated::setOrder(order);
  run(result.data());
  emulated::setOrder(emulated::Order::forward);
  return result;
}

}  // namespace

TEST_CASE("the emulated device shows a missing barrier and a race by results that depend on the order") {
  const std::vector<float> x = noise(64, 1);
  const auto sums = [&](emulated::Order order, bool barriers) {
    return inOrder(
        order, [&](float* sum) { launch(Stream(), sharedSum, 1, 64, 64 * sizeof(float), sum, x.data(), barriers); })[0];
  };
  CHECK(sums(emulated::Order::forward, true) == sums(emulated::Order::backward, true));
  CHECK(std::isnan(sums(emulated::Order::forward, false)));
  CHECK(!std::isnan(sums(emulated::Order::backward, false)));
  const auto raced = [&](emulated::Order order) {
    return inOrder(order, [&](float* sum) { launch(Stream(), racingSum, 1, 64, 0, sum, x.data()); })[0];
  };
  CHECK(raced(emulated::Order::forward) != raced(emulated::Order::backward));
}

TEST_CASE("the emulated device refuses barriers and warp operations that not all threads reach") {
  std::vector<float> x(32);
  CHECK_THROWS(launch(Stream(), dividedBarrier, 1, 64, 0));
  CHECK_THROWS(launch(Stream(), dividedShuffle, 1, 32, 0, x.data()));
  CHECK_THROWS(launch(Stream(), dividedBarrier, 1, 1025, 0));
  CHECK_THROWS(launch(Stream(), dividedBarrier, 1, 32, emulated::kMaxSharedBytes + 1));
}

TEST_CASE("the emulated device writes where the kernel says, also beyond the end") {
  // The guards here; without them AddressSanitizer ends the process.
  std::vector<float> x(64 + 32, 5.0f);
  launch(Stream(), beyondItsMemory, 3, 32, 0, x.data(), int64_t{64});
  CHECK(x[63] == 64.0f);
  CHECK(x[64] == 64.0f);
}
