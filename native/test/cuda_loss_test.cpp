// Cosine distance and the loose loss on the emulated device, in f32 and bf16, against the plain backend.
#include <limits>

#include "backend/cuda/loss.h"
#include "cuda_support.h"
#include "plain_backend.h"

using namespace dinomaly;
using namespace dinomaly::cuda;

namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

template <typename T>
void checkDistance(const std::vector<T>& e, const std::vector<T>& d, int64_t rows, int64_t dim) {
  CAPTURE(rows);
  CAPTURE(dim);
  const std::vector<float> found = inEveryOrder<float>([&] {
    std::vector<float> result(static_cast<size_t>(rows));
    cosineDistance(Stream(), result.data(), e.data(), d.data(), rows, dim);
    return result;
  });
  std::vector<float> expected(found.size());
  makePlainBackend()->cosineDistance(expected.data(), floats(e).data(), floats(d).data(), rows, dim);
  for (size_t i = 0; i < found.size(); ++i) CHECK(std::abs(found[i] - expected[i]) <= 1e-6f);
}

template <typename T>
struct Loss {
  std::vector<T> dd;
  double loss;
};

constexpr double kBefore = 2;  // loss of the groups before

/// inPlace: the gradient takes d's place, as in training.
template <typename T>
Loss<T> looseLossOf(const std::vector<T>& e, const std::vector<T>& d, int64_t images, int64_t patches, int64_t dim,
                    int64_t k, float share, bool inPlace) {
  std::vector<double> losses;
  const std::vector<T> dd = inEveryOrder<T>([&] {
    std::vector<T> result = inPlace ? d : std::vector<T>(d.size(), fromFloat<T>(5.0f));
    std::vector<float> scratch(static_cast<size_t>(looseLossScratch(images, patches)), NAN);
    Step step;
    step.numbers.hardest = k;
    step.outcome = {kBefore, 3, 4};
    looseLoss(Stream(), result.data(), &step, scratch.data(), e.data(), inPlace ? result.data() : d.data(), images,
              patches, dim, share);
    CHECK(step.outcome.gradientNorm == 3);
    CHECK(step.outcome.failed == 4);
    losses.push_back(step.outcome.loss);
    return result;
  });
  for (const double loss : losses) CHECK((std::isnan(loss) ? std::isnan(losses[0]) : loss == losses[0]));
  return {dd, losses[0]};
}

/// What plain loops make of it.
template <typename T>
Loss<float> plainLossOf(const std::vector<T>& e, const std::vector<T>& d, int64_t images, int64_t patches, int64_t dim,
                        int64_t k, float share) {
  std::vector<float> dd(d.size());
  const double loss =
      makePlainBackend()->looseLoss(dd.data(), floats(e).data(), floats(d).data(), images, patches, dim, k, share);
  return {dd, share * loss};
}

template <typename T>
void checkLoss(const std::vector<T>& e, const std::vector<T>& d, int64_t images, int64_t patches, int64_t dim,
               int64_t k, float tolerance) {
  CAPTURE(images);
  CAPTURE(patches);
  CAPTURE(dim);
  CAPTURE(k);
  constexpr float kShare = 0.5f;
  const Loss<float> expected = plainLossOf(e, d, images, patches, dim, k, kShare);
  const Loss<T> found = looseLossOf(e, d, images, patches, dim, k, kShare, k % 2 == 1);
  CHECK(std::abs(found.loss - kBefore - expected.loss) <= 1e-6);
  CHECK(difference(floats(found.dd), expected.dd) <= tolerance);
}

template <typename T>
void checkLosses(float tolerance) {
  struct Shape {
    int64_t images, patches, dim;
  };
  for (const Shape s : {Shape{1, 1, 33}, Shape{1, 5, 128}, Shape{3, 37, 33}, Shape{2, 49, 384}, Shape{37, 2, 8}}) {
    const int64_t points = s.images * s.patches;
    const std::vector<T> e = as<T>(noise(points * s.dim, 1)), d = as<T>(noise(points * s.dim, 2));
    for (const int64_t k : {int64_t{1}, (points + 1) / 2, points}) {
      checkLoss(e, d, s.images, s.patches, s.dim, k, tolerance);
    }
  }
}

}  // namespace

TEST_CASE_TEMPLATE("CUDA's cosine distance agrees with plain loops", T, float, bf16) {
  for (const int64_t rows : {1, 5, 67, 202}) {
    for (const int64_t dim : {1, 33, 128, 384}) {
      checkDistance(as<T>(noise(rows * dim, 1)), as<T>(noise(rows * dim, 2)), rows, dim);
    }
  }
  // Norms at and below the smallest that counts, and rows that point the same or the opposite way.
  for (const float size : {0.0f, 1e-10f, 1e-4f, 1e15f}) {
    std::vector<float> e = noise(7 * 40, 1), d = noise(7 * 40, 2);
    for (size_t i = 0; i < e.size(); ++i) {
      if (i / 40 > 3) d[i] = i / 40 > 5 ? -e[i] : e[i];
      e[i] *= size;
      d[i] *= size;
    }
    checkDistance(as<T>(e), as<T>(d), 7, 40);
  }
}

TEST_CASE("CUDA's loose loss agrees with plain loops in f32") {
  checkLosses<float>(1e-5f);
}
TEST_CASE("CUDA's loose loss agrees with plain loops in bf16") {
  checkLosses<bf16>(4e-3f);  // half a step of bfloat16
}

TEST_CASE_TEMPLATE("CUDA's loose loss with rows that are not a multiple of 16 bytes", T, float, bf16) {
  const int64_t images = 2, patches = 5, dim = 32;
  const std::vector<T> e = as<T>(noise(images * patches * dim + 1, 1)), d = as<T>(noise(images * patches * dim, 2));
  std::vector<T> dd(d.size()), expected(d.size());
  std::vector<float> scratch(static_cast<size_t>(looseLossScratch(images, patches)));
  Step step, expectedStep;
  step.numbers.hardest = expectedStep.numbers.hardest = 3;
  const std::vector<T> shifted(e.begin() + 1, e.end());
  looseLoss(Stream(), dd.data(), &step, scratch.data(), e.data() + 1, d.data(), images, patches, dim, 1.0f);
  looseLoss(Stream(), expected.data(), &expectedStep, scratch.data(), shifted.data(), d.data(), images, patches, dim,
            1.0f);
  CHECK(std::abs(step.outcome.loss - expectedStep.outcome.loss) <= 1e-6);
  CHECK(difference(floats(dd), floats(expected)) <= (sizeof(T) == 2 ? 4e-3f : 1e-5f));
}

TEST_CASE_TEMPLATE("CUDA's loose loss with points that are equally far", T, float, bf16) {
  const int64_t images = 2, patches = 24, dim = 40;
  std::vector<float> e = noise(images * patches * dim, 1), d = noise(images * patches * dim, 2);
  for (size_t i = 0; i < e.size(); ++i) {  // three different points, time and again
    e[i] = e[i % static_cast<size_t>(3 * dim)];
    d[i] = d[i % static_cast<size_t>(3 * dim)];
  }
  for (const int64_t k : {1, 16, 17, 32, 33, 48}) {
    checkLoss(as<T>(e), as<T>(d), images, patches, dim, k, sizeof(T) == 2 ? 4e-3f : 1e-5f);
  }
}

TEST_CASE_TEMPLATE("CUDA's loose losses of several groups add up, from step to step", T, float, bf16) {
  const int64_t images = 3, patches = 7, dim = 40, size = images * patches * dim;
  std::vector<float> scratch(static_cast<size_t>(looseLossScratch(images, patches)));
  Step step;
  step.outcome.failed = 5;
  for (const int64_t k : {4, 21}) {
    step.numbers.hardest = k;
    step.outcome.gradientNorm = 1;
    beginStep(Stream(), &step);
    CHECK(step.outcome.loss == 0);
    CHECK(step.outcome.gradientNorm == 0);
    CHECK(step.outcome.failed == 5);
    double expected = 0;
    for (uint32_t group = 0; group < 3; ++group) {
      const float share = 0.25f * static_cast<float>(1 + group);
      const std::vector<T> e = as<T>(noise(size, 2 * group)), d = as<T>(noise(size, 2 * group + 1));
      std::vector<T> dd = d;
      looseLoss(Stream(), dd.data(), &step, scratch.data(), e.data(), dd.data(), images, patches, dim, share);
      const Loss<float> plain = plainLossOf(e, d, images, patches, dim, k, share);
      CHECK(difference(floats(dd), plain.dd) <= (sizeof(T) == 2 ? 4e-3f : 1e-5f));
      expected += plain.loss;
    }
    CHECK(std::abs(step.outcome.loss - expected) <= 1e-6);
  }
}

TEST_CASE_TEMPLATE("CUDA's loose loss writes a sound group's gradient though a group before it failed", T, float,
                   bf16) {
  const int64_t images = 2, patches = 5, dim = 40, size = images * patches * dim;
  const std::vector<T> e = as<T>(noise(size, 1)), d = as<T>(noise(size, 2));
  std::vector<float> scratch(static_cast<size_t>(looseLossScratch(images, patches)));
  Step sound, broken;
  broken.outcome.loss = NAN;  // from a group before
  std::vector<T> expected(d.size()), found(d.size());
  looseLoss(Stream(), expected.data(), &sound, scratch.data(), e.data(), d.data(), images, patches, dim, 1.0f);
  looseLoss(Stream(), found.data(), &broken, scratch.data(), e.data(), d.data(), images, patches, dim, 1.0f);
  CHECK(sameBits(found, expected));
  CHECK(std::isnan(broken.outcome.loss));
}

TEST_CASE_TEMPLATE("CUDA's loose loss leaves the gradient's place as it is if the loss is not finite", T, float, bf16) {
  const int64_t images = 3, patches = 7, dim = 40;
  const std::vector<float> sound = noise(images * patches * dim, 1);
  for (const float wrong : {kInfinity, -kInfinity, NAN}) {
    for (const bool inE : {false, true}) {
      std::vector<float> broken = noise(images * patches * dim, 2);
      broken[333] = wrong;
      const std::vector<T> e = as<T>(inE ? broken : sound), d = as<T>(inE ? sound : broken);
      for (const bool inPlace : {false, true}) {
        const Loss<T> found = looseLossOf(e, d, images, patches, dim, 4, 1.0f, inPlace);
        CHECK_FALSE(std::isfinite(found.loss));
        const std::vector<T> before = inPlace ? d : std::vector<T>(d.size(), fromFloat<T>(5.0f));
        CHECK(std::memcmp(found.dd.data(), before.data(), before.size() * sizeof(T)) == 0);
      }
    }
  }
}
