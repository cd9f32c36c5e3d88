// CUDA's ways into tokens and back to patches, on the emulated device, in f32 and bf16, against the plain backend.
#include "backend/cuda/tokens.h"
#include "cuda_support.h"
#include "plain_backend.h"

using namespace dinomaly;
using namespace dinomaly::cuda;

namespace {

template <typename T>
constexpr float kTolerance = sizeof(T) == 4 ? 1e-6f : 4e-3f;  // of bf16 half a step

std::vector<uint8_t> bytes(int64_t size) {
  std::vector<uint8_t> values;
  for (const float v : noise(size, 9)) values.push_back(static_cast<uint8_t>((v + 1) * 128));
  return values;
}

template <typename T>
void checkPatches(int64_t images, int64_t h, int64_t w, int64_t p) {
  CAPTURE(images);
  CAPTURE(h);
  CAPTURE(w);
  CAPTURE(p);
  const auto size = static_cast<size_t>(images * 3 * h * w);
  const std::vector<uint8_t> pixels = bytes(images * 3 * h * w);
  const std::vector<float> tensor = noise(images * 3 * h * w, 2);
  const auto plain = makePlainBackend();
  std::vector<float> expected(size);

  const std::vector<T> fromPixels = inEveryOrder<T>([&] {
    std::vector<T> y(size);
    patchesFromPixels(Stream(), y.data(), pixels.data(), images, h, w, p);
    return y;
  });
  plain->patchesFromPixels(expected.data(), pixels.data(), images, h, w, p);
  CHECK(difference(floats(fromPixels), expected) <= kTolerance<T>);
  CHECK(sameBits(
      besideBoundary(fromPixels, [&](T* y) { patchesFromPixels(Stream(), y, pixels.data(), images, h, w, p); }),
      fromPixels));

  const std::vector<T> fromTensor = inEveryOrder<T>([&] {
    std::vector<T> y(size);
    patchesFromTensor(Stream(), y.data(), tensor.data(), images, h, w, p);
    return y;
  });
  plain->patchesFromTensor(expected.data(), tensor.data(), images, h, w, p);
  CHECK(sameBits(fromTensor, as<T>(expected)));
}

void checkEmbed(int64_t images, int64_t patchCount, int64_t registerCount, int64_t dim) {
  CAPTURE(images);
  CAPTURE(patchCount);
  CAPTURE(registerCount);
  CAPTURE(dim);
  const int64_t tokens = 1 + registerCount + patchCount;
  const std::vector<float> patches = noise(images * patchCount * dim, 1), cls = noise(dim, 2),
                           registers = noise(registerCount * dim, 3), positions = noise((1 + patchCount) * dim, 4);
  const auto size = static_cast<size_t>(images * tokens * dim);
  const std::vector<float> y = inEveryOrder<float>([&] {
    std::vector<float> result(size);
    embed(Stream(), result.data(), patches.data(), cls.data(), registers.data(), positions.data(), images, patchCount,
          registerCount, dim);
    return result;
  });
  std::vector<float> expected(size);
  makePlainBackend()->embed(expected.data(), patches.data(), cls.data(), registers.data(), positions.data(), images,
                            patchCount, registerCount, dim);
  CHECK(sameBits(y, expected));
  const auto again = [&](float* result) {
    embed(Stream(), result, patches.data(), cls.data(), registers.data(), positions.data(), images, patchCount,
          registerCount, dim);
  };
  CHECK(sameBits(besideBoundary(y, again), y));
}

template <typename T>
void checkTakeAndPut(int64_t images, int64_t patchCount, int64_t before, int64_t dim) {
  CAPTURE(images);
  CAPTURE(patchCount);
  CAPTURE(before);
  CAPTURE(dim);
  const int64_t tokenCount = patchCount + before;
  const float a = 0.3f, b = -0.7f;
  const std::vector<T> tokens = as<T>(noise(images * tokenCount * dim, 1)),
                       others = as<T>(noise(images * tokenCount * dim, 3)),
                       patches = as<T>(noise(images * patchCount * dim, 2));
  const std::vector<float> wideTokens = floats(tokens), wideOthers = floats(others), widePatches = floats(patches);
  const auto plain = makePlainBackend();
  const auto take = [&](T* y) {
    const int64_t stride = tokenCount * dim;
    const std::vector<Term<T>> terms = {{tokens.data(), a, stride}, {others.data(), b, stride}};
    takePatches(Stream(), y, terms, images, tokenCount, patchCount, dim);
  };
  const std::vector<T> taken = inEveryOrder<T>([&] {
    std::vector<T> result(patches.size());
    take(result.data());
    return result;
  });
  std::vector<float> expected = widePatches;
  const float* const both[] = {wideTokens.data(), wideOthers.data()};
  const float weights[] = {a, b};
  plain->takePatches(expected.data(), both, weights, 2, images, tokenCount, patchCount, dim);
  CHECK(difference(floats(taken), expected) <= kTolerance<T>);
  CHECK(sameBits(besideBoundary(patches, take), taken));
  const auto put = [&](T* dtokens) {
    putPatches(Stream(), dtokens, patches.data(), a, images, tokenCount, patchCount, dim);
  };
  const std::vector<T> found = inEveryOrder<T>([&] {
    std::vector<T> result = tokens;
    put(result.data());
    return result;
  });
  expected = wideTokens;
  plain->putPatches(expected.data(), widePatches.data(), a, images, tokenCount, patchCount, dim);
  CHECK(difference(floats(found), expected) <= kTolerance<T>);
  CHECK(sameBits(besideBoundary(tokens, put), found));
  for (int64_t image = 0; image < images; ++image) {  // class token and registers: the same bits
    const auto first = static_cast<size_t>(image * tokenCount * dim);
    CHECK(std::memcmp(found.data() + first, tokens.data() + first, static_cast<size_t>(before * dim) * sizeof(T)) == 0);
  }
}

}  // namespace

TEST_CASE("CUDA's patches agree with plain loops") {
  struct Shape {
    int64_t images, h, w, p;
  };
  for (const Shape& s : {Shape{1, 14, 14, 14}, Shape{3, 28, 98, 14}, Shape{1, 70, 182, 14}, Shape{2, 32, 48, 16},
                         Shape{2, 9, 15, 3}, Shape{1, 3, 5, 1}, Shape{1, 40, 80, 40}}) {
    checkPatches<float>(s.images, s.h, s.w, s.p);
    checkPatches<bf16>(s.images, s.h, s.w, s.p);
  }
}

TEST_CASE("CUDA's pixels become the floats that they become on a CPU, to the bit") {
  constexpr float mean[3] = {0.485f, 0.456f, 0.406f}, deviation[3] = {0.229f, 0.224f, 0.225f};
  std::vector<uint8_t> pixels;
  std::vector<float> expected(3 * 256), y(3 * 256);
  for (size_t v = 0; v < 256; ++v) {
    for (size_t c = 0; c < 3; ++c) {
      pixels.push_back(static_cast<uint8_t>(v));
      expected[c * 256 + v] = (static_cast<float>(v) / 255.0f - mean[c]) / deviation[c];
    }
  }
  patchesFromPixels(Stream(), y.data(), pixels.data(), 1, 16, 16, 16);
  CHECK(sameBits(y, expected));
}

TEST_CASE("CUDA's embedding of patches among class token and registers agrees with plain loops") {
  for (const int64_t images : {1, 7}) {
    for (const int64_t dim : {1, 33, 128, 384}) {
      checkEmbed(images, 20, 0, dim);
      checkEmbed(images, 20, 4, dim);
      checkEmbed(images, 1, 1, dim);
    }
  }
}

TEST_CASE("CUDA's patches taken from tokens and put back agree with plain loops") {
  for (const int64_t dim : {1, 33, 128, 384}) {
    checkTakeAndPut<float>(3, 20, 1, dim);
    checkTakeAndPut<bf16>(3, 20, 5, dim);
    checkTakeAndPut<float>(1, 1, 5, dim);
    checkTakeAndPut<bf16>(2, 7, 0, dim);
  }
}
