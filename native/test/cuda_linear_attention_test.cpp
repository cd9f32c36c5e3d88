// Linear attention's kernels on the emulated device, in f32 and bf16, against the plain backend.
#include <cmath>
#include <limits>

#include "backend/cuda/linear_attention.h"
#include "core/error.h"
#include "cuda_support.h"
#include "plain_backend.h"

using namespace dinomaly;
using namespace dinomaly::cuda;

namespace {

struct Shape {
  int64_t images, tokens, heads, headDim;
  int64_t size() const { return images * tokens * heads * headDim; }
};

constexpr LinearAttentionKernel kPlain = LinearAttentionKernel::plain, kTensor = LinearAttentionKernel::tensorCores;

std::vector<float> scratchOf(const Shape& s, LinearAttentionKernel kernel) {
  const int64_t size = linearAttentionScratch(s.images, s.tokens, s.heads, s.headDim, kernel);
  return std::vector<float>(static_cast<size_t>(size), std::numeric_limits<float>::quiet_NaN());
}

// `offset`: of every tensor from where memory of 16 bytes begins.
template <typename T>
std::vector<T> forward(const Shape& s, const std::vector<T>& qkv, LinearAttentionKernel kernel = kPlain,
                       size_t offset = 0) {
  std::vector<T> in(offset), y(static_cast<size_t>(s.size()) + offset);
  in.insert(in.end(), qkv.begin(), qkv.end());
  std::vector<float> scratch = scratchOf(s, kernel);
  linearAttention(Stream(), y.data() + offset, scratch.data(), in.data() + offset, s.images, s.tokens, s.heads,
                  s.headDim, kernel);
  return std::vector<T>(y.begin() + static_cast<std::ptrdiff_t>(offset), y.end());
}

template <typename T>
std::vector<T> backward(const Shape& s, const std::vector<T>& dy, const std::vector<T>& qkv,
                        LinearAttentionKernel kernel = kPlain, size_t offset = 0) {
  std::vector<T> in(offset), up(offset), dqkv(static_cast<size_t>(3 * s.size()) + offset);
  in.insert(in.end(), qkv.begin(), qkv.end());
  up.insert(up.end(), dy.begin(), dy.end());
  std::vector<float> scratch = scratchOf(s, kernel);
  linearAttentionGradient(Stream(), dqkv.data() + offset, scratch.data(), up.data() + offset, in.data() + offset,
                          s.images, s.tokens, s.heads, s.headDim, kernel);
  return std::vector<T>(dqkv.begin() + static_cast<std::ptrdiff_t>(offset), dqkv.end());
}

std::vector<float> scaled(std::vector<float> values, float by) {
  for (float& v : values) v *= by;
  return values;
}

/// `range`: of q, k and v.
template <typename T>
void check(const Shape& s, float tolerance, float gradientTolerance, float range = 1,
           LinearAttentionKernel kernel = kPlain) {
  CAPTURE(s.images);
  CAPTURE(s.tokens);
  CAPTURE(s.headDim);
  CAPTURE(range);
  const std::vector<T> qkv = as<T>(scaled(noise(3 * s.size(), 1), range)), dy = as<T>(noise(s.size(), 2));
  const std::vector<T> y = inEveryOrder<T>([&] { return forward(s, qkv, kernel); });
  const std::vector<T> dqkv = inEveryOrder<T>([&] { return backward(s, dy, qkv, kernel); });

  const auto plain = makePlainBackend();
  const std::vector<float> wide = floats(qkv), wideDy = floats(dy);
  std::vector<float> expected(y.size()), expectedGradient(dqkv.size());
  plain->linearAttention(expected.data(), wide.data(), s.images, s.tokens, s.heads, s.headDim);
  plain->linearAttentionGradient(expectedGradient.data(), wideDy.data(), wide.data(), s.images, s.tokens, s.heads,
                                 s.headDim);
  CHECK(difference(floats(y), expected) <= tolerance);
  // dq, dk and dv differ in size, so each is held against its own largest value.
  const std::vector<float> gradient = floats(dqkv);
  const auto third = [&s](const std::vector<float>& values, int64_t which) {
    std::vector<float> part;
    const int64_t dim = s.heads * s.headDim;
    for (int64_t row = 0; row < s.images * s.tokens; ++row) {
      const auto begin = values.begin() + static_cast<std::ptrdiff_t>((row * 3 + which) * dim);
      part.insert(part.end(), begin, begin + static_cast<std::ptrdiff_t>(dim));
    }
    return part;
  };
  for (int64_t which = s.tokens == 1 ? 2 : 0; which < 3; ++which) {  // with one token y = v, and dq = dk = 0
    CAPTURE(which);
    CHECK(difference(third(gradient, which), third(expectedGradient, which)) <= gradientTolerance);
  }
  CHECK(difference(gradient, expectedGradient) <= gradientTolerance);
}

constexpr float kHalfStep = 4e-3f;  // of bfloat16

void checkBoth(const Shape& s) {
  check<float>(s, 1e-5f, 5e-5f);
  check<bf16>(s, kHalfStep, kHalfStep);
}

}  // namespace

TEST_CASE("CUDA's linear attention agrees with plain loops, heads of 64 channels") {
  for (const int64_t tokens : {1, 5, 64, 65, 202}) checkBoth({tokens > 100 ? 1 : 3, tokens, 2, 64});
}

TEST_CASE("CUDA's linear attention agrees with plain loops, heads of other sizes") {
  for (const int64_t headDim : {3, 20, 33, 72, 128}) {
    for (const int64_t tokens : {1, 5, 65}) checkBoth({1, tokens, 2, headDim});
  }
  checkBoth({3, 64, 1, 20});
  checkBoth({1, 202, 1, 20});
}

TEST_CASE("CUDA's linear attention agrees with plain loops, heads of 128 channels") {
  checkBoth({3, 64, 1, 128});
  checkBoth({1, 202, 1, 128});
}

TEST_CASE("CUDA's linear attention sums many chunks of tokens") {
  check<float>({1, 405, 1, 64}, 1e-5f, 5e-5f);
  check<bf16>({1, 405, 1, 64}, kHalfStep, kHalfStep);
}

TEST_CASE("CUDA's linear attention bears wide values") {
  check<float>({2, 65, 2, 64}, 1e-5f, 5e-5f, 12);
  check<bf16>({2, 65, 2, 64}, kHalfStep, kHalfStep, 12);
}

TEST_CASE_TEMPLATE("CUDA's linear attention gives the same bits from memory of any alignment", T, float, bf16) {
  const Shape s{2, 67, 2, 64};
  const std::vector<T> qkv = as<T>(noise(3 * s.size(), 1)), dy = as<T>(noise(s.size(), 2));
  const std::vector<T> y = forward(s, qkv), shiftedY = forward(s, qkv, kPlain, 1);
  CHECK(std::memcmp(y.data(), shiftedY.data(), y.size() * sizeof(T)) == 0);
  const std::vector<T> dqkv = backward(s, dy, qkv), shiftedDqkv = backward(s, dy, qkv, kPlain, 1);
  CHECK(std::memcmp(dqkv.data(), shiftedDqkv.data(), dqkv.size() * sizeof(T)) == 0);
}

TEST_CASE("CUDA's linear attention gives a picture the same bits alone and among others") {
  const Shape all{3, 202, 2, 64}, one{1, 202, 2, 64};
  const auto size = static_cast<std::ptrdiff_t>(one.size());
  const std::vector<float> qkv = noise(3 * all.size(), 1), dy = noise(all.size(), 2);
  const std::vector<float> y = forward(all, qkv), dqkv = backward(all, dy, qkv);
  const std::vector<float> last(qkv.end() - 3 * size, qkv.end()), lastDy(dy.end() - size, dy.end());
  CHECK(forward(one, last) == std::vector<float>(y.end() - size, y.end()));
  CHECK(backward(one, lastDy, last) == std::vector<float>(dqkv.end() - 3 * size, dqkv.end()));
}

TEST_CASE("CUDA's linear attention on tensor cores agrees with plain loops") {
  for (const int64_t tokens : {1, 5, 15, 16, 17, 64, 65}) {
    check<bf16>({2, tokens, 3, 64}, kHalfStep, kHalfStep, 1, kTensor);
  }
  check<bf16>({1, 202, 2, 64}, kHalfStep, kHalfStep, 1, kTensor);
  for (const int64_t tokens : {405, 789, 1374}) check<bf16>({1, tokens, 1, 64}, kHalfStep, kHalfStep, 1, kTensor);
  check<bf16>({2, 65, 2, 64}, kHalfStep, kHalfStep, 12, kTensor);
}

TEST_CASE("CUDA's linear attention on tensor cores adds little to the rounding of its results") {
  const Shape s{1, 202, 2, 64};
  const std::vector<bf16> qkv = as<bf16>(scaled(noise(3 * s.size(), 1), 3)), dy = as<bf16>(noise(s.size(), 2));
  const auto distance = [](const std::vector<float>& found, const std::vector<float>& expected) {
    double squares = 0, all = 0;
    for (size_t i = 0; i < found.size(); ++i) {
      squares += static_cast<double>(found[i] - expected[i]) * (found[i] - expected[i]);
      all += static_cast<double>(expected[i]) * expected[i];
    }
    return std::sqrt(squares / all);
  };
  const std::vector<float> y = forward(s, floats(qkv)), dqkv = backward(s, floats(dy), floats(qkv));
  const double rounding = distance(floats(as<bf16>(y)), y), ofGradient = distance(floats(as<bf16>(dqkv)), dqkv);
  CHECK(distance(floats(forward(s, qkv, kTensor)), y) <= 1.005 * rounding);
  CHECK(distance(floats(backward(s, dy, qkv, kTensor)), dqkv) <= 1.01 * ofGradient);
}

TEST_CASE("CUDA's linear attention on tensor cores gives a picture the same bits alone and among others") {
  const Shape all{3, 67, 2, 64}, one{1, 67, 2, 64};
  const auto size = static_cast<std::ptrdiff_t>(one.size());
  const std::vector<bf16> qkv = as<bf16>(noise(3 * all.size(), 1)), dy = as<bf16>(noise(all.size(), 2));
  const std::vector<bf16> y = forward(all, qkv, kTensor), dqkv = backward(all, dy, qkv, kTensor);
  const std::vector<bf16> last(qkv.end() - 3 * size, qkv.end()), lastDy(dy.end() - size, dy.end());
  CHECK(sameBits(forward(one, last, kTensor), std::vector<bf16>(y.end() - size, y.end())));
  CHECK(sameBits(backward(one, lastDy, last, kTensor), std::vector<bf16>(dqkv.end() - 3 * size, dqkv.end())));
}

TEST_CASE("CUDA's linear attention on tensor cores hides nothing that is not a number") {
  const Shape s{1, 20, 2, 64};
  const int64_t dim = s.heads * s.headDim, token = 18, channel = 5;
  for (const int64_t which : {0, 1, 2}) {
    CAPTURE(which);
    std::vector<bf16> qkv = as<bf16>(noise(3 * s.size(), 1));
    qkv[static_cast<size_t>((token * 3 + which) * dim + channel)] = {0x7FFF};
    const std::vector<float> y = floats(forward(s, qkv, kTensor));
    for (int64_t i = 0; i < s.size(); ++i) {
      const bool inHead = i % dim < s.headDim;
      const bool meant = inHead && (which == 0 ? i / dim == token : which == 1 || i % dim == channel);
      CHECK(std::isnan(y[static_cast<size_t>(i)]) == meant);
    }
  }
}

TEST_CASE("CUDA's linear attention takes the kernel that the device, the shape and the memory allow") {
  const std::vector<bf16> memory(64);
  const std::vector<float> wide(64);
  const bf16* const x = memory.data() + reinterpret_cast<uintptr_t>(memory.data()) % 16 / 2;
  CHECK(linearAttentionKernelFor<bf16>({x, x + 8}, 64, 8) == kTensor);
  CHECK(linearAttentionKernelFor<bf16>({x, x + 8}, 64, 7) == kPlain);
  CHECK(linearAttentionKernelFor<bf16>({x, x + 8}, 32, 9) == kPlain);
  CHECK(linearAttentionKernelFor<bf16>({x, x + 4}, 64, 9) == kPlain);
  CHECK(linearAttentionKernelFor<float>({wide.data()}, 64, 9) == kPlain);
  CHECK(linearAttentionScratch(2, 5, 3, 64, kTensor) == 0);
}

TEST_CASE("CUDA's linear attention refuses heads that it has no kernel for") {
  const Shape s{1, 2, 1, 129};
  std::vector<float> qkv(static_cast<size_t>(3 * s.size())), y(static_cast<size_t>(s.size())), scratch(1);
  CHECK_THROWS_AS(
      linearAttention(Stream(), y.data(), scratch.data(), qkv.data(), s.images, s.tokens, s.heads, s.headDim, kPlain),
      Error);
}
