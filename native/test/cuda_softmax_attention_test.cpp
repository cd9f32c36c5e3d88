// Softmax attention's kernels on the emulated device, in f32 and bf16, against the plain backend.
#include "backend/cuda/softmax_attention.h"
#include "cuda_support.h"
#include "plain_backend.h"

using namespace dinomaly;
using namespace dinomaly::cuda;

namespace {

struct Shape {
  int64_t images, tokens, heads, headDim;
};

/// Queries are made larger, so that softmax is far from even and the running maximum moves.
template <typename T>
std::vector<T> input(const Shape& s, float queryScale) {
  const int64_t dim = s.heads * s.headDim;
  std::vector<float> qkv = noise(s.images * s.tokens * 3 * dim, 1);
  for (size_t i = 0; i < qkv.size(); ++i) {
    if (static_cast<int64_t>(i) % (3 * dim) < dim) qkv[i] *= queryScale;
  }
  return as<T>(qkv);
}

template <typename T>
std::vector<T> compute(const std::vector<T>& qkv, const Shape& s, AttentionKernel kernel) {
  std::vector<T> y(static_cast<size_t>(s.images * s.tokens * s.heads * s.headDim));
  softmaxAttention(Stream(), y.data(), qkv.data(), s.images, s.tokens, s.heads, s.headDim, kernel);
  return y;
}

template <typename T>
void check(const Shape& s, AttentionKernel kernel, float tolerance, float queryScale = 6) {
  CAPTURE(s.tokens);
  CAPTURE(s.heads);
  CAPTURE(s.headDim);
  CAPTURE(static_cast<int>(kernel));
  const std::vector<T> qkv = input<T>(s, queryScale);
  const std::vector<T> y = inEveryOrder<T>([&] { return compute(qkv, s, kernel); });
  std::vector<float> expected(y.size());
  makePlainBackend()->softmaxAttention(expected.data(), floats(qkv).data(), s.images, s.tokens, s.heads, s.headDim);
  CHECK(difference(floats(y), expected) <= tolerance);
}

constexpr float kExact = 1e-5f;
constexpr float kRounded = 4e-3f;  // half a step of bfloat16, of the result and of every share
constexpr AttentionKernel kFastKernels[] = {AttentionKernel::tensor16x4, AttentionKernel::tensor16x5,
                                            AttentionKernel::tensor16x6, AttentionKernel::tensor32x4,
                                            AttentionKernel::warpgroup};
/// Kernels of which a device may take any, by the batch.
const std::vector<AttentionKernel> kSameBits[] = {{AttentionKernel::tensor32x4, AttentionKernel::tensor16x4,
                                                   AttentionKernel::tensor16x5, AttentionKernel::tensor16x6},
                                                  {AttentionKernel::warpgroup}};

}  // namespace

TEST_CASE("CUDA's softmax attention on tensor cores agrees with plain loops") {
  for (const AttentionKernel kernel : kFastKernels) {
    for (const int64_t tokens : {1, 5, 64, 65}) {
      for (const int64_t heads : {1, 2, 3}) check<bf16>({2, tokens, heads, 64}, kernel, kRounded);
    }
    for (const int64_t tokens : {15,  16,  17,  31,  32,  33,  48,  49,  80,  81,  96,  97,  127,
                                 128, 129, 144, 145, 160, 161, 192, 193, 240, 241, 257, 432, 433}) {
      check<bf16>({1, tokens, 1, 64}, kernel, kRounded);
    }
    check<bf16>({1, 202, 3, 64}, kernel, kRounded);
    check<bf16>({1, 405, 1, 64}, kernel, kRounded);  // more tiles than the ring has places
  }
}

TEST_CASE("CUDA's softmax attention with plain products agrees with plain loops") {
  for (const int64_t headDim : {64, 20, 33, 128}) {
    for (const int64_t tokens : {1, 5, 64, 65}) {
      const Shape shape = {tokens < 64 ? 2 : 1, tokens, 1 + tokens % 3, headDim};
      check<float>(shape, AttentionKernel::plain, kExact);
      check<bf16>(shape, AttentionKernel::plain, kRounded);
    }
    if (headDim % 64) continue;
    check<float>({1, 202, 1, headDim}, AttentionKernel::plain, kExact);
    check<bf16>({1, 202, 1, headDim}, AttentionKernel::plain, kRounded);
  }
}

TEST_CASE("CUDA's softmax attention stays finite where one key takes all") {
  const Shape shape = {1, 130, 1, 64};
  check<float>(shape, AttentionKernel::plain, 1e-4f, 100);  // the products, up to 1000, are rounded to 2^-14
  for (const AttentionKernel kernel : kFastKernels) {
    for (const float queryScale : {30.0f, 100.0f, 1e10f, 1e15f}) check<bf16>(shape, kernel, kRounded, queryScale);
  }
}

TEST_CASE("CUDA's softmax attention on tensor cores takes products far above those of the first keys") {
  const Shape shape = {2, 70, 2, 64};
  const int64_t dim = shape.heads * shape.headDim;
  std::vector<float> values = floats(input<bf16>(shape, 100));
  for (size_t i = 0; i < values.size(); ++i) {
    const int64_t token = static_cast<int64_t>(i) / (3 * dim) % shape.tokens,
                  channel = static_cast<int64_t>(i) % (3 * dim);
    if (channel < 2 * dim && token < 16) values[i] *= 0.01f;  // all queries but the first pass float's end elsewhere
  }
  const std::vector<bf16> qkv = as<bf16>(values);
  std::vector<float> expected(static_cast<size_t>(shape.images * shape.tokens * dim));
  makePlainBackend()->softmaxAttention(expected.data(), floats(qkv).data(), shape.images, shape.tokens, shape.heads,
                                       shape.headDim);
  for (const AttentionKernel kernel : kFastKernels) {
    const std::vector<bf16> y = inEveryOrder<bf16>([&] { return compute(qkv, shape, kernel); });
    CHECK(difference(floats(y), expected) <= kRounded);
  }
}

TEST_CASE("CUDA's softmax attention gives an image the same bits alone, among others and in blocks of any size") {
  const Shape three = {3, 150, 2, 64}, one = {1, 150, 2, 64};
  const std::vector<bf16> qkv = input<bf16>(three, 60);  // with queries that are done anew among the others
  const size_t part = qkv.size() / 3;
  const auto offset = static_cast<std::ptrdiff_t>(2 * part);
  const std::vector<bf16> last(qkv.begin() + offset, qkv.end());
  for (const std::vector<AttentionKernel>& kernels : kSameBits) {
    const std::vector<bf16> all = compute(qkv, three, kernels.front());
    for (const AttentionKernel kernel : kernels) {
      const std::vector<bf16> alone = compute(last, one, kernel);
      CHECK(sameBits({all.end() - static_cast<std::ptrdiff_t>(alone.size()), all.end()}, alone));
    }
  }
}

TEST_CASE("CUDA's softmax attention takes the kernel that the device and the shape allow") {
  const AttentionDevice v100 = {7, 80, false}, large = {8, 132, false}, hopper = {9, 132, true},
                        without = {9, 132, false};
  CHECK(attentionKernelFor<float>(16, 789, 12, 64, hopper) == AttentionKernel::plain);
  CHECK(attentionKernelFor<bf16>(16, 789, 12, 64, v100) == AttentionKernel::plain);
  CHECK(attentionKernelFor<bf16>(16, 789, 12, 32, hopper) == AttentionKernel::plain);
  CHECK(attentionKernelFor<bf16>(1, 789, 12, 64, large) == AttentionKernel::tensor16x5);  // 120 blocks, a round
  CHECK(attentionKernelFor<bf16>(1, 789, 6, 64, large) == AttentionKernel::tensor16x4);
  CHECK(attentionKernelFor<bf16>(2, 789, 12, 64, large) == AttentionKernel::tensor16x5);
  CHECK(attentionKernelFor<bf16>(16, 789, 12, 64, large) == AttentionKernel::tensor32x4);
  CHECK(attentionKernelFor<bf16>(1, 789, 12, 64, hopper) == AttentionKernel::warpgroup);
  CHECK(attentionKernelFor<bf16>(16, 789, 12, 64, without) == AttentionKernel::tensor32x4);
  const std::vector<float> qkv(3 * 129);
  std::vector<float> y(129);
  CHECK_THROWS(softmaxAttention(Stream(), y.data(), qkv.data(), 1, 1, 1, 129, AttentionKernel::plain));
  CHECK_THROWS(softmaxAttention(Stream(), y.data(), qkv.data(), 1, 1, 1, 64, AttentionKernel::tensor16x4));
}
