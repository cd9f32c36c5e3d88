// The tensor-core tile, the loads into its layout and asynchronous copies, as the emulation gives them.
#include <cstdint>

#include "backend/cuda/async_copy.h"
#include "backend/cuda/mma.h"
#include "cuda_support.h"

using namespace dinomaly;
using namespace dinomaly::cuda;

namespace {

constexpr int kRows = 16, kDepth = 16, kColumns = 8;

uint32_t pairOf(bf16 low, bf16 high) {
  return low.bits | static_cast<uint32_t>(high.bits) << 16;
}

/// c (16,8) += a (16,16) b (16,8) by one warp, fragments filled one by one after PTX's figures for m16n8k16.
__global__ void productByHand(float* c, const bf16* a, const bf16* b) {
  const int g = static_cast<int>(threadIdx.x) / 4, t = static_cast<int>(threadIdx.x) % 4;
  const auto ofA = [&](int row, int k) { return pairOf(a[row * kDepth + k], a[row * kDepth + k + 1]); };
  const auto ofB = [&](int k) { return pairOf(b[k * kColumns + g], b[(k + 1) * kColumns + g]); };
  const uint32_t left[4] = {ofA(g, 2 * t), ofA(g + 8, 2 * t), ofA(g, 2 * t + 8), ofA(g + 8, 2 * t + 8)};
  const uint32_t right[2] = {ofB(2 * t), ofB(2 * t + 8)};
  float* const upper = c + g * kColumns + 2 * t;
  float* const lower = upper + 8 * kColumns;
  float sums[4] = {upper[0], upper[1], lower[0], lower[1]};
  mma16816(sums, left, right);
  upper[0] = sums[0];
  upper[1] = sums[1];
  lower[0] = sums[2];
  lower[1] = sums[3];
}

/// The same with c = 0, operands through shared memory: a by rows, b (16,8) transposed by the load, or, as `columns`
/// (8,16), as it is.
__global__ void productByLoads(float* c, const bf16* a, const bf16* b, bool columns) {
  bf16* const shared = sharedMemory<bf16>();
  bf16* const sharedB = shared + kRows * kDepth;
  for (unsigned i = threadIdx.x; i < kRows * kDepth; i += kWarp) shared[i] = a[i];
  for (unsigned i = threadIdx.x; i < kDepth * kColumns; i += kWarp) sharedB[i] = b[i];
  __syncthreads();
  const int lane = static_cast<int>(threadIdx.x);
  uint32_t left[4], right[4];
  loadMatrices(left, shared + lane % 16 * kDepth + lane / 16 * 8);
  if (columns) {
    loadMatrices(right, sharedB + lane % 8 * kDepth + lane / 8 % 2 * 8);
  } else {
    loadMatricesTransposed(right, sharedB + lane % 16 * kColumns);
  }
  float sums[4] = {};
  const uint32_t used[2] = {right[0], right[1]};
  mma16816(sums, left, used);
  for (int i = 0; i < 4; ++i) c[(lane / 4 + i / 2 * 8) * kColumns + lane % 4 * 2 + i % 2] = sums[i];
}

__global__ void productOfHalfAWarp() {
  float c[4] = {};
  const uint32_t a[4] = {}, b[2] = {};
  if (threadIdx.x < 16) mma16816(c, a, b);
}

/// c (16,8) += a (16,8) b (8,8) of floats by one warp, fragments filled one by one after PTX's figures for m16n8k8 of
/// .tf32.
__global__ void tf32ProductByHand(float* c, const float* a, const float* b) {
  constexpr int kTf32Depth = 8;
  const int g = static_cast<int>(threadIdx.x) / 4, t = static_cast<int>(threadIdx.x) % 4;
  const auto ofA = [&](int row, int k) { return __float_as_uint(a[row * kTf32Depth + k]); };
  const auto ofB = [&](int k) { return __float_as_uint(b[k * kColumns + g]); };
  const uint32_t left[4] = {ofA(g, t), ofA(g + 8, t), ofA(g, t + 4), ofA(g + 8, t + 4)};
  const uint32_t right[2] = {ofB(t), ofB(t + 4)};
  float* const upper = c + g * kColumns + 2 * t;
  float* const lower = upper + 8 * kColumns;
  float sums[4] = {upper[0], upper[1], lower[0], lower[1]};
  mma1688(sums, left, right);
  upper[0] = sums[0];
  upper[1] = sums[1];
  lower[0] = sums[2];
  lower[1] = sums[3];
}

/// y (3,128): three groups of 16 bytes a thread, as far as they have come: after each wait the first of those that are
/// then there, and at last what has not come yet.
__global__ void copyInGroups(float* y, const float* x) {
  float* const shared = sharedMemory<float>() + 12 * threadIdx.x;
  AsyncCopies copies;
  for (int i = 0; i < 3; ++i) {
    copies.start(shared + 4 * i, x + 12 * threadIdx.x + 4 * i, true);
    copies.endGroup();
  }
  copies.waitForGroup<2>();
  for (int i = 0; i < 4; ++i) y[4 * threadIdx.x + i] = shared[i];
  copies.endGroup();  // an empty one
  copies.waitForGroup<2>();
  for (int i = 0; i < 4; ++i) y[128 + 4 * threadIdx.x + i] = shared[4 + i];
  for (int i = 0; i < 4; ++i) y[256 + 4 * threadIdx.x + i] = shared[8 + i];
}

/// Each thread brings 16 bytes of x through shared memory, odd ones zeros.
__global__ void copyThrough(float* y, const float* x, bool waiting) {
  float* const shared = sharedMemory<float>() + 4 * threadIdx.x;
  AsyncCopies copies;
  copies.start(shared, x + 4 * threadIdx.x, threadIdx.x % 2 == 0);
  if (waiting) copies.wait();
  for (int i = 0; i < 4; ++i) y[4 * threadIdx.x + i] = shared[i];
}

}  // namespace

TEST_CASE("the tensor-core tile multiplies in PTX's layout") {
  // Whole numbers below 9: every sum is exact in whatever order.
  std::vector<bf16> a, b, columns(kColumns * kDepth);
  std::vector<float> start;
  for (float v : noise(kRows * kDepth, 1)) a.push_back(fromFloat<bf16>(std::floor(v * 8)));
  for (float v : noise(kDepth * kColumns, 2)) b.push_back(fromFloat<bf16>(std::floor(v * 8)));
  for (float v : noise(kRows * kColumns, 3)) start.push_back(std::floor(v * 8));
  std::vector<float> product(kRows * kColumns), sum(start);
  for (size_t row = 0; row < kRows; ++row) {
    for (size_t column = 0; column < kColumns; ++column) {
      for (size_t k = 0; k < kDepth; ++k) {
        product[row * kColumns + column] += toFloat(a[row * kDepth + k]) * toFloat(b[k * kColumns + column]);
        columns[column * kDepth + k] = b[k * kColumns + column];
      }
      sum[row * kColumns + column] += product[row * kColumns + column];
    }
  }
  CHECK(inEveryOrder<float>([&] {
          std::vector<float> c = start;
          launch(Stream(), productByHand, 1, kWarp, 0, c.data(), a.data(), b.data());
          return c;
        }) == sum);
  constexpr size_t kShared = (kRows * kDepth + kDepth * kColumns) * sizeof(bf16);
  for (const bool byColumns : {false, true}) {
    CHECK(inEveryOrder<float>([&] {
            std::vector<float> c(product.size());
            launch(Stream(), productByLoads, 1, kWarp, kShared, c.data(), a.data(),
                   byColumns ? columns.data() : b.data(), byColumns);
            return c;
          }) == product);
  }
  CHECK_THROWS(launch(Stream(), productOfHalfAWarp, 1, kWarp, 0));
}

TEST_CASE("the tensor-core tile of TF32 multiplies in PTX's layout and leaves out what a TF32 does not have") {
  constexpr size_t kTf32Depth = 8;
  std::vector<float> a, b, start, sum, more;
  for (float v : noise(kRows * kTf32Depth, 1)) a.push_back(std::floor(v * 1000));  // 11 bits and fewer
  for (float v : noise(kTf32Depth * kColumns, 2)) b.push_back(std::floor(v * 8));
  for (float v : noise(kRows * kColumns, 3)) start.push_back(std::floor(v * 8));
  for (size_t row = 0; row < kRows; ++row) {
    for (size_t column = 0; column < kColumns; ++column) {
      float value = start[row * kColumns + column];
      for (size_t k = 0; k < kTf32Depth; ++k) value += a[row * kTf32Depth + k] * b[k * kColumns + column];
      sum.push_back(value);
    }
  }
  const auto product = [&](const std::vector<float>& left) {
    return inEveryOrder<float>([&] {
      std::vector<float> c = start;
      launch(Stream(), tf32ProductByHand, 1, kWarp, 0, c.data(), left.data(), b.data());
      return c;
    });
  };
  CHECK(product(a) == sum);
  for (float v : a) more.push_back(v * (1 + 0x1p-12f));  // nothing that 11 bits hold
  CHECK(product(more) == sum);
}

TEST_CASE("floats are rounded to TF32") {
  const auto rounded = [](float x) { return __uint_as_float(toTf32(x)); };
  CHECK(rounded(1 + 0x1p-10f) == 1 + 0x1p-10f);
  CHECK(rounded(1 + 0x1p-11f) == 1 + 0x1p-10f);  // ties away from zero
  CHECK(rounded(-1 - 0x1p-11f) == -1 - 0x1p-10f);
  CHECK(rounded(1 + 0x1.FEp-12f) == 1);
  CHECK(rounded(2 - 0x1p-23f) == 2);
  CHECK(rounded(INFINITY) == INFINITY);
  CHECK(std::isnan(rounded(__uint_as_float(0x7FFFFFFFu))));

  // What is multiplied by kBeforeCut and cut off is as good.
  double bias = 0, largest = 0;
  constexpr int kValues = 1 << 16;
  for (int i = 0; i < kValues; ++i) {
    const float x = 1 + static_cast<float>(i) / kValues;
    const float cut = __uint_as_float(__float_as_uint(x * kBeforeCut) & 0xFFFFE000u);
    bias += (cut - x) / kValues;
    largest = std::max(largest, static_cast<double>(std::abs(cut - x)));
  }
  CHECK(std::abs(bias) < 0.03 * 0x1p-10);
  CHECK(largest < 0.67 * 0x1p-10);
  for (const float x : {0x1p-20f, 1.0f, 4.0f}) {
    CHECK(__uint_as_float(__float_as_uint(x * kBeforeCut) & 0xFFFFE000u) == x);
  }
}

TEST_CASE("two floats are packed as bf16, the first in the low half") {
  CHECK(packBf16(1.0f, -2.0f) == 0xC0003F80u);
  CHECK(packBf16(1.00390625f, 1.01171875f) == 0x3F823F80u);  // ties to even
}

TEST_CASE("asynchronous copies arrive with the wait, not before") {
  std::vector<float> x = noise(4 * 32, 1), expected = x;
  for (size_t i = 0; i < x.size(); ++i) {
    if (i / 4 % 2) expected[i] = 0;
  }
  const auto copied = [&](bool waiting) {
    std::vector<float> y(x.size());
    launch(Stream(), copyThrough, 1, kWarp, y.size() * sizeof(float), y.data(), x.data(), waiting);
    return y;
  };
  CHECK(copied(true) == expected);
  for (float v : copied(false)) CHECK(std::isnan(v));
}

TEST_CASE("asynchronous copies arrive group by group") {
  const std::vector<float> x = noise(12 * 32, 1);
  std::vector<float> y(x.size());
  launch(Stream(), copyInGroups, 1, kWarp, y.size() * sizeof(float), y.data(), x.data());
  for (size_t i = 0; i < 4 * 32; ++i) {
    CHECK(y[i] == x[i / 4 * 12 + i % 4]);
    CHECK(y[128 + i] == x[i / 4 * 12 + 4 + i % 4]);
    CHECK(std::isnan(y[256 + i]));
  }
}
