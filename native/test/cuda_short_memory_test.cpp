// What models do where a device's memory is short.
#include <doctest/doctest.h>

#include "cuda_faults_support.h"
#include "cuda_support.h"
#include "error_code.h"
#include "temporary_folder.h"

using namespace dinomaly;
using cuda::Precision;
using cuda::sameBits;

namespace {

constexpr Precision kPrecisions[] = {Precision::f32, Precision::bf16};

/// Makes all of the memory that pictures are uploaded by, which stays.
void warmStaging(Backend& backend) {
  const std::vector<uint8_t> pixels = picture(1);
  const std::shared_ptr<void> there = backend.allocateBytes(static_cast<int64_t>(pixels.size()));
  for (int i = 0; i < 64; ++i) backend.uploadBytes(there.get(), pixels.data(), static_cast<int64_t>(pixels.size()));
}

/// A model that has recorded a step on two pictures.
std::unique_ptr<Dinomaly> trainedModel(Precision precision) {
  auto model = smallModel(precision);
  warmStaging(model->backend());
  model->beginTraining();
  for (int64_t i = 0; i < 2; ++i) trainOn(*model, 2, i);
  return model;
}

/// What `call` leaves behind beyond what the device holds before it.
template <typename Call>
size_t bytesTakenBy(const Call& call) {
  const size_t before = emulated::held(0).memoryBytes;
  call();
  return emulated::held(0).memoryBytes - before;
}

std::string messageOfShortMemory(Dinomaly& model) {
  try {
    scoresOf(model, 1);
  } catch (const Error& error) {
    CHECK(error.code() == "ERR_OUT_OF_MEMORY");
    return error.what();
  }
  return "";
}

/// A session's parameters after six steps on features that are kept as `room` and the device's memory allow.
struct Kept {
  std::vector<NamedTensor> state;
  size_t onDevice;  // bytes that the steps have taken there
  bool any;
};
Kept trainKeeping(size_t deviceBytes, const FeatureRoom& room) {
  emulated::limitMemory(0, deviceBytes);
  Session session(smallConfig(), [] { return makeCudaBackend(Precision::bf16); });
  initialise(session);
  wait<Nothing>([&](auto done) { session.beginTraining(kSide, 3, room, done); });
  const auto isKept = [&](int64_t id) { return session.features()->has(id) || session.features()->read(id); };
  const size_t before = emulated::held(0).memoryBytes;
  for (int64_t i = 0; i < 6; ++i) {
    const int64_t first = 10 * (i % 3);  // each batch twice
    TrainingBatch batch = pictures({first, first + 1, first + 2}, true);
    for (TrainingPicture& picture : batch.pictures) {
      if (isKept(picture.id)) picture.pixels.clear();
    }
    wait<std::optional<StepResult>>(
        [&](auto done) { session.trainStep(std::move(batch), i, shortRun(), false, {}, done); });
  }
  return {wait<std::vector<NamedTensor>>([&](auto done) { session.stateDict(done); }),
          emulated::held(0).memoryBytes - before, isKept(0)};
}

bool sameState(const Kept& a, const Kept& b) {
  for (size_t i = 0; i < a.state.size(); ++i) {
    if (!sameBits(a.state[i].tensor.data, b.state[i].tensor.data)) return false;
  }
  return a.state.size() == b.state.size();
}

}  // namespace

TEST_CASE("what training in bf16 holds of a picture on the device: some seventy tensors of its tokens") {
  ModelConfig config = smallConfig();
  config.encoder.dim = 128;
  config.encoder.depth = 12;
  config.encoder.registers = 4;
  config.encoder.targets = {2, 3, 4, 5, 6, 7, 8, 9};
  config.decoderDepth = 8;
  config.groups = {{0, 1, 2, 3}, {4, 5, 6, 7}};
  constexpr int64_t kPictureSide = 70, kPatches = 25, kTokens = 30;
  const auto bytesFor = [&](size_t count) {
    const auto model = smallModel(makeCudaBackend(Precision::bf16), config);
    warmStaging(model->backend());
    model->beginTraining();
    std::vector<std::vector<uint8_t>> pictures;
    std::vector<const uint8_t*> views;
    for (uint32_t i = 0; i < count; ++i) views.push_back(pictures.emplace_back(picture(i, kPictureSide)).data());
    for (int64_t i = 0; i < 3; ++i) {  // run, recorded, played
      const std::vector<Features> features =
          model->encodeEach(views, kPictureSide, kPictureSide, static_cast<int64_t>(count), {});
      std::vector<const Features*> parts;
      for (const Features& part : features) parts.push_back(&part);
      model->trainStep(parts, i, shortRun(), {});
    }
    model->stepResult();
    return static_cast<double>(emulated::held(0).memoryBytes);
  };
  const double tensor = 2.0 * kTokens * 128, patches = 2.0 * kPatches * 3 * 14 * 14;
  const double tensors = (bytesFor(2) - bytesFor(1) - 2 * patches) / tensor;
  CAPTURE(tensors);
  CHECK(tensors > 40);  // of each of 8 blocks x, qkv and x1
  CHECK(tensors < 73);
}

TEST_CASE("a download takes what lies idle where a device's memory is short") {
  const SoundDevices healthy;
  constexpr int64_t kBytes = 1 << 20;
  const std::unique_ptr<Backend> backend = makeCudaBackend(Precision::f32);
  const std::shared_ptr<void> x = backend->allocateBytes(kBytes);
  backend->zeroBytes(x.get(), kBytes);
  backend->allocateBytes(2 * kBytes);  // and drops it
  emulated::limitMemory(0, emulated::held(0).memoryBytes);
  const std::shared_ptr<void> download = backend->startDownload(x.get(), kBytes);
  CHECK(static_cast<const unsigned char*>(backend->finishDownload(download))[kBytes - 1] == 0);
}

TEST_CASE("a step that there is no memory for changes nothing, and a smaller batch is trained on") {
  const SoundDevices sound;
  for (const Precision precision : kPrecisions) {
    const auto large = trainedModel(precision), small = trainedModel(precision);
    const std::vector<float> before = learntOf(*large);
    const size_t needed = bytesTakenBy([&] { trainOn(*large, 6, 2); });
    trainOn(*small, 2, 2);
    const std::vector<float> afterLarge = learntOf(*large), afterSmall = learntOf(*small);
    int failures = 0;
    constexpr int kLimits = 6;
    for (int i = 0; i <= kLimits; ++i) {
      CAPTURE(i);
      const auto model = trainedModel(precision);
      emulated::limitMemory(0, emulated::held(0).memoryBytes + needed * static_cast<size_t>(i) / kLimits);
      const std::string code = errorCode([&] { trainOn(*model, 6, 2); });
      if (code.empty()) {
        CHECK(sameBits(learntOf(*model), afterLarge));
      } else {
        ++failures;
        CHECK(code == "ERR_OUT_OF_MEMORY");
        CHECK(sameBits(learntOf(*model), before));
        trainOn(*model, 2, 2);
        CHECK(sameBits(learntOf(*model), afterSmall));
      }
      emulated::restore();
    }
    CHECK(failures > 0);
    CHECK(failures <= kLimits);
  }
}

TEST_CASE("recordings make room for a step that needs it") {
  const SoundDevices sound;
  const auto model = trainedModel(Precision::bf16), other = trainedModel(Precision::bf16);
  for (int i = 0; i < 3; ++i) scoresOf(*model, 8);
  const size_t graphs = static_cast<size_t>(emulated::held(0).graphs);
  emulated::limitMemory(0, emulated::held(0).memoryBytes);
  trainOn(*model, 6, 2);
  CHECK(static_cast<size_t>(emulated::held(0).graphs) < graphs);
  emulated::restore();
  trainOn(*other, 6, 2);
  CHECK(sameBits(learntOf(*model), learntOf(*other)));
}

TEST_CASE("scoring computes as many pictures at once as there is memory for") {
  const SoundDevices sound;
  for (const Precision precision : kPrecisions) {
    const auto whole = smallModel(precision);
    const std::vector<float> one = scoresOf(*whole, 1);
    std::vector<float> expected;
    const size_t needed = bytesTakenBy([&] { expected = scoresOf(*whole, 8); });
    int failures = 0, successes = 0;
    for (size_t i = 0; i <= 6; ++i) {
      CAPTURE(i);
      const auto model = smallModel(precision);
      emulated::limitMemory(0, emulated::held(0).memoryBytes + needed * i / 6);
      for (int repeat = 0; repeat < 3; ++repeat) {  // run, recorded, played
        std::vector<float> found;
        const std::string code = errorCode([&] { found = scoresOf(*model, 8); });
        ++(code.empty() ? successes : failures);
        if (code.empty()) {
          CHECK(sameBits(found, expected));
        } else {
          CHECK(code == "ERR_OUT_OF_MEMORY");
        }
      }
      emulated::restore();
      CHECK(sameBits(scoresOf(*model, 1), one));
    }
    CHECK(failures > 0);
    CHECK(successes > 3);
  }
}

TEST_CASE("what is said of short memory is how much was needed and how much is free") {
  const SoundDevices sound;
  const auto model = smallModel(Precision::f32);
  emulated::limitMemory(0, emulated::held(0).memoryBytes + (size_t{1} << 18));
  const std::string found = messageOfShortMemory(*model);
  CAPTURE(found);
  CHECK(found.find(" MiB of free device memory, found 0.") != std::string::npos);
  CHECK(found.find(": use a smaller batch, crop or encoder") != std::string::npos);
  emulated::restore();
  emulated::limitPinned(0, emulated::held(0).pinnedBytes);
  CHECK(messageOfShortMemory(*model).find(" MiB of free memory that can be pinned, found less") != std::string::npos);
  emulated::restore();
  CHECK(messageOfShortMemory(*model).empty());
}

TEST_CASE("a model that there is no memory for is not made, and nothing is left of it") {
  const SoundDevices sound;
  const emulated::Held before = emulated::held(0);
  const size_t needed = bytesTakenBy([] {
                          static auto model = smallModel(Precision::bf16);
                          model.reset();
                        }) +
                        (40u << 20);
  int failures = 0;
  for (size_t i = 0; i < 24; ++i) {
    emulated::limitMemory(0, before.memoryBytes + needed * i / 24);
    const std::string code = errorCode([] { smallModel(Precision::bf16)->beginTraining(); });
    CHECK((code.empty() || code == "ERR_OUT_OF_MEMORY"));
    failures += !code.empty();
    CHECK(emulated::held(0) == before);
  }
  CHECK(failures > 3);
  CHECK(failures < 24);
}

TEST_CASE("features are kept on the device, on the host, in a file or not at all, and training gives the same bits") {
  const SoundDevices sound;
  constexpr size_t kLarge = size_t{1} << 30, kSmall = size_t{48} << 20;  // of the latter no third is free
  const TemporaryFolder folder;
  const Kept onDevice = trainKeeping(kLarge, {1 << 30, {}});
  const Kept onHost = trainKeeping(kSmall, {1 << 30, {}});
  const Kept inFile = trainKeeping(kSmall, {0, folder.path()});
  const Kept nowhere = trainKeeping(kSmall, {});
  CHECK(onDevice.any);
  CHECK(onHost.any);
  CHECK(inFile.any);
  CHECK(!nowhere.any);
  CHECK(onHost.onDevice < onDevice.onDevice);
  CHECK(sameState(onDevice, onHost));
  CHECK(sameState(onDevice, inFile));
  CHECK(sameState(onDevice, nowhere));
}
