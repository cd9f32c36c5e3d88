// Products by warpgroups, as the emulation gives them.
#include "backend/cuda/async_copy.h"
#include "backend/cuda/warpgroup.h"
#include "cuda_support.h"

using namespace dinomaly;
using namespace dinomaly::cuda;

namespace {

constexpr int kRows = 64, kTileRows = 48, kChannels = 64;
constexpr size_t kShared = kTileRows * kChannels * sizeof(bf16) + kSwizzleBytes;

__device__ bf16* loadTile(const bf16* b) {
  bf16* const tile = swizzleBegin(sharedMemory<bf16>());
  for (int i = static_cast<int>(threadIdx.x); i < kTileRows * kChannels; i += static_cast<int>(kWarpgroup)) {
    const int row = i / kChannels, channel = i % kChannels;
    tile[swizzled(row, channel / 8) + channel % 8] = b[i];
  }
  showToProducts();
  __syncthreads();
  return tile;
}

/// This lane's part of 16 columns of `a` (64, size).
__device__ void loadRows(uint32_t (&fragment)[4], const bf16* a, int size, int column) {
  const int lane = static_cast<int>(threadIdx.x % kWarp), warp = static_cast<int>(threadIdx.x / kWarp);
  for (int i = 0; i < 4; ++i) {
    const bf16* pair = a + (warp * 16 + lane / 4 + i % 2 * 8) * size + column + lane % 4 * 2 + i / 2 * 8;
    fragment[i] = pair[0].bits | static_cast<uint32_t>(pair[1].bits) << 16;
  }
}

template <int kColumns>
__device__ void store(float* c, const float (&sums)[kColumns][4]) {
  const int lane = static_cast<int>(threadIdx.x % kWarp), warp = static_cast<int>(threadIdx.x / kWarp);
  for (int column = 0; column < kColumns; ++column) {
    for (int i = 0; i < 4; ++i) {
      c[(warp * 16 + lane / 4 + i / 2 * 8) * kColumns * 8 + column * 8 + lane % 4 * 2 + i % 2] = sums[column][i];
    }
  }
}

/// c (64,48) = a (64,64) b^T, b (48,64).
__global__ void productAcross(float* c, const bf16* a, const bf16* b) {
  const SwizzledRows rows(loadTile(b));
  WarpgroupProducts products;
  float sums[kTileRows / 8][4] = {};
  uint32_t left[4][4];
  for (int depth = 0; depth < 4; ++depth) loadRows(left[depth], a, kChannels, depth * 16);
  products.begin();
  products.startAcross<false>(sums, left[0], rows, 0);
  for (int depth = 1; depth < 4; ++depth) products.startAcross<true>(sums, left[depth], rows, depth);
  products.endGroup();
  products.finish<0>(sums);
  store(c, sums);
}

enum class Waiting { right, none, forOthers, begunEarly, tileChanged, leftChanged, notBegun };

/// c (64,64) = a (64,48) b, waited for as said.
__global__ void productAlong(float* c, const bf16* a, const bf16* b, Waiting waiting) {
  bf16* const tile = loadTile(b);
  const SwizzledRows rows(tile);
  WarpgroupProducts products;
  float sums[kChannels / 8][4] = {};
  uint32_t left[kTileRows / 16][4];
  for (int i = 0; i < kTileRows / 16; ++i) loadRows(left[i], a, kTileRows, i * 16);
  AsyncCopies copies;
  if (waiting == Waiting::begunEarly) {
    copies.start(tile + threadIdx.x * 8, b + threadIdx.x * 8, true);
    __syncthreads();
  }
  if (waiting != Waiting::notBegun) products.begin();
  for (int i = 0; i < kTileRows / 16; ++i) products.startAlong(sums, left[i], rows.from(i * 16));
  products.endGroup();
  if (waiting == Waiting::tileChanged) tile[threadIdx.x] = fromFloat<bf16>(100);
  if (waiting == Waiting::leftChanged) left[0][0] ^= 1;
  copies.wait();
  __syncthreads();
  if (waiting == Waiting::forOthers) {
    products.endGroup();
    products.finish<2>(sums);
  } else if (waiting != Waiting::none) {
    products.finish<0>(sums);
  }
  store(c, sums);
}

std::vector<float> expected(const std::vector<bf16>& a, const std::vector<bf16>& b, int depth, int columns,
                            bool transposed) {
  std::vector<float> c(static_cast<size_t>(kRows * columns));
  for (int row = 0; row < kRows; ++row) {
    for (int column = 0; column < columns; ++column) {
      for (int k = 0; k < depth; ++k) {
        const int at = transposed ? column * depth + k : k * columns + column;
        c[static_cast<size_t>(row * columns + column)] +=
            toFloat(a[static_cast<size_t>(row * depth + k)]) * toFloat(b[static_cast<size_t>(at)]);
      }
    }
  }
  return c;
}

const std::vector<bf16> kTile = as<bf16>(noise(kTileRows * kChannels, 2));

std::vector<float> along(Waiting waiting) {
  const std::vector<bf16> a = as<bf16>(noise(kRows * kTileRows, 1));
  std::vector<float> c(kRows * kChannels);
  launch(Stream(), productAlong, 1, kWarpgroup, kShared, c.data(), a.data(), kTile.data(), waiting);
  return c;
}

}  // namespace

TEST_CASE("A warpgroup's products are those of plain loops") {
  const std::vector<bf16> a = as<bf16>(noise(kRows * kChannels, 1));
  const std::vector<float> across = inEveryOrder<float>([&] {
    std::vector<float> c(kRows * kTileRows);
    launch(Stream(), productAcross, 1, kWarpgroup, kShared, c.data(), a.data(), kTile.data());
    return c;
  });
  CHECK(difference(across, expected(a, kTile, kChannels, kTileRows, true)) < 1e-6f);
  const std::vector<bf16> shares = as<bf16>(noise(kRows * kTileRows, 1));
  CHECK(difference(along(Waiting::right), expected(shares, kTile, kTileRows, kChannels, false)) < 1e-6f);
}

TEST_CASE("The emulation shows that a warpgroup's products were not waited for") {
  CHECK(std::isnan(along(Waiting::none).front()));
  CHECK_THROWS(along(Waiting::forOthers));
}

TEST_CASE("The emulation shows that what a warpgroup's products read was not there yet, or changed before they ended") {
  CHECK_THROWS(along(Waiting::begunEarly));
  CHECK_THROWS(along(Waiting::tileChanged));
  CHECK_THROWS(along(Waiting::leftChanged));
}

TEST_CASE("The emulation shows that a warpgroup's products were not begun") {
  CHECK_THROWS(along(Waiting::notBegun));
}

TEST_CASE("The emulation wants a warpgroup's tiles where they are permuted rightly") {
  alignas(1024) static bf16 memory[1024];
  CHECK_THROWS(SwizzledRows(memory + 8));
  CHECK_NOTHROW(SwizzledRows(memory + 512));
}
