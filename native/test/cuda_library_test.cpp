// The network through a device library's interface, against the same backend called directly.
#include <doctest/doctest.h>

#include <stdexcept>
#include <string>

#include "backend/library/library_backend.h"
#include "cuda_faults_support.h"
#include "cuda_support.h"
#include "error_code.h"
#include "tiny_model.h"

using namespace dinomaly;
using cuda::Precision;
using cuda::sameBits;

extern "C" const library::Interface* dinomalyDeviceLibrary();

namespace {

constexpr Precision kPrecisions[] = {Precision::f32, Precision::tf32, Precision::bf16};

std::unique_ptr<Backend> throughLibrary(Precision precision, int32_t device = 0) {
  return makeLibraryBackend(*dinomalyDeviceLibrary(), {device, precision, nullptr, 0});
}

std::vector<float> download(Dinomaly& model, const Activations& values, int64_t size) {
  std::vector<float> there(static_cast<size_t>(size));
  model.backend().download(there.data(), values.get(), size);
  return there;
}

/// Features, what the decoder makes of them, maps and scores of the golden pictures of one side.
std::vector<float> inferGolden(const std::vector<float>& input, int64_t side, std::unique_ptr<Backend> backend) {
  const auto model = tinyModel({{0, 1}, {2, 3}}, 0, std::move(backend));
  Images images;
  images.tensor = input.data();
  images.count = 2;
  images.height = images.width = side;
  const int64_t patches = side / 14 * (side / 14), dim = 128;
  const Features features = model->encode(images, {});
  const Decoded decoded = model->decode(features, {});
  const Maps maps = model->maps(features, decoded, side, side);
  std::vector<float> all = download(*model, features.mean, 2 * (5 + patches) * dim);
  const auto append = [&](const std::vector<float>& more) { all.insert(all.end(), more.begin(), more.end()); };
  for (size_t g = 0; g < 2; ++g) {
    append(download(*model, features.groups[g], 2 * patches * dim));
    append(download(*model, decoded.groups[g], 2 * patches * dim));
  }
  append(maps.maps);
  append(maps.scores);
  return all;
}

/// Scores and training, recorded.
std::vector<float> wholeLife(std::unique_ptr<Backend> backend) {
  const auto model = smallModel(std::move(backend));
  model->beginTraining();
  std::vector<float> all;
  for (int64_t i = 0; i < 4; ++i) {
    const StepResult result = trainOn(*model, 2, i);
    all.insert(all.end(), {static_cast<float>(result.loss), static_cast<float>(result.gradientNorm)});
    const std::vector<float> scores = scoresOf(*model, 3);
    all.insert(all.end(), scores.begin(), scores.end());
  }
  const std::vector<float> learnt = learntOf(*model);
  all.insert(all.end(), learnt.begin(), learnt.end());
  return all;
}

struct Odd : std::runtime_error {
  using std::runtime_error::runtime_error;
};

}  // namespace

TEST_CASE("golden inputs through a library give the bits of the backend itself") {
  const auto golden = readSafetensors(std::string(DINOMALY_ROOT) + "/test/golden/tiny/expected.safetensors");
  for (const Precision precision : kPrecisions) {
    for (const int64_t side : {56, 70, 84}) {
      CAPTURE(side);
      const std::vector<float>& input = golden.at(std::to_string(side) + ".input").values;
      CHECK(sameBits(inferGolden(input, side, throughLibrary(precision)),
                     inferGolden(input, side, makeCudaBackend(precision))));
    }
  }
}

TEST_CASE("scores and training through a library give the bits of the backend itself") {
  for (const Precision precision : kPrecisions) {
    CHECK(sameBits(wholeLife(throughLibrary(precision)), wholeLife(makeCudaBackend(precision))));
  }
}

TEST_CASE("what recorded work throws comes out of a library as it was") {
  const auto backend = throughLibrary(Precision::f32);
  for (int64_t i = 0; i < 3; ++i) {  // run, recorded, not kept
    CHECK_THROWS_AS(backend->run(1, [] { throw Cancelled(); }), Cancelled);
    CHECK_THROWS_WITH_AS(backend->run(2, [] { throw Odd("odd"); }), "odd", Odd);
    CHECK(errorCode([&] { backend->run(3, [] { throw Error("ERR_BUSY", "busy"); }); }) == "ERR_BUSY");
  }
  const Buffer x = backend->allocate(64);
  for (int64_t i = 0; i < 3; ++i) backend->run(4, [&] { backend->zero(x.get(), 64); });
  std::vector<float> values(64, 1.0f);
  backend->download(values.data(), x.get(), 64);
  CHECK(values == std::vector<float>(64, 0.0f));
}

TEST_CASE("errors of a library keep code and message") {
  const SoundDevices sound;
  CHECK(errorCode([] { throughLibrary(Precision::f32, emulated::kMostDevices); }) == "ERR_DEVICE_UNAVAILABLE");
  const auto backend = throughLibrary(Precision::bf16);
  try {
    backend->allocateBytes(int64_t{1} << 40);
    FAIL("there is not so much");
  } catch (const Error& error) {
    CHECK(error.code() == "ERR_OUT_OF_MEMORY");
    CHECK(std::string(error.what()).find("expected 1048576.0 MiB of free device memory, found 9") == 0);
  }
  const Buffer x = backend->allocate(64);
  for (int i = 0; i < 2; ++i) {  // the second time while it is recorded
    const std::string code = errorCode([&] {
      backend->run(1, [&] {
        const float one = 1;
        backend->upload(x.get(), &one, 1);
      });
    });
    CHECK(code == (i ? "ERR_INTERNAL" : ""));
  }
  emulated::loseDevice(0, cudaErrorIllegalAddress);
  CHECK(errorCode([&] { backend->zero(x.get(), 64); }) == "ERR_DEVICE_LOST");
  CHECK(errorCode([&] { backend->stepOutcome(); }) == "ERR_DEVICE_LOST");
  CHECK(errorCode([&] { throughLibrary(Precision::f32); }) == "ERR_DEVICE_LOST");
}

TEST_CASE("memory and downloads of a library outlive its backend") {
  const emulated::Held before = emulated::held(0);
  {
    auto backend = throughLibrary(Precision::f32);
    const Buffer x = backend->allocate(1000);
    const std::vector<float> values(1000, 3.0f);
    backend->upload(x.get(), values.data(), 1000);
    const std::shared_ptr<void> download = backend->startDownload(x.get(), 4000);
    const auto* const found = static_cast<const float*>(backend->finishDownload(download));
    backend.reset();
    CHECK(std::vector<float>(x.get(), x.get() + 1000) == values);  // the emulated device's memory is the host's
    CHECK(std::vector<float>(found, found + 1000) == values);
  }
  CHECK(emulated::held(0) == before);
}
