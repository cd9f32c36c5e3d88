// Devices that are lost, losses that are not finite, and what is left behind.
#include <doctest/doctest.h>

#include <limits>

#include "backend/cuda/emulated/cublaslt.h"
#include "backend/cuda/errors.h"
#include "backend/cuda/properties.h"
#include "cuda_faults_support.h"
#include "cuda_support.h"
#include "error_code.h"

using namespace dinomaly;
using cuda::Precision;
using cuda::sameBits;

namespace {

/// All that a model does, from its making to its end.
void wholeLife(Precision precision) {
  const auto model = smallModel(precision);
  for (int i = 0; i < 3; ++i) scoresOf(*model, 2);
  model->beginTraining();
  for (int64_t i = 0; i < 3; ++i) trainOn(*model, 2, i);
  learntOf(*model);
  model->endTraining();
}

std::string messageOf(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("CUDA's errors have codes") {
  const auto all = [](const char* code, std::initializer_list<cudaError_t> errors) {
    for (const cudaError_t error : errors) {
      CAPTURE(cudaGetErrorName(error));
      CHECK(std::string(cuda::codeOf(error)) == code);
      CHECK(errorCode([&] { cuda::check(error, "a test"); }) == code);
    }
  };
  all("ERR_OUT_OF_MEMORY", {cudaErrorMemoryAllocation});
  all("ERR_DEVICE_LOST",
      {cudaErrorIllegalAddress, cudaErrorLaunchFailure, cudaErrorLaunchTimeout, cudaErrorHardwareStackError,
       cudaErrorMisalignedAddress, cudaErrorInvalidPc, cudaErrorInvalidAddressSpace, cudaErrorIllegalInstruction,
       cudaErrorECCUncorrectable, cudaErrorNvlinkUncorrectable, cudaErrorAssert, cudaErrorContextIsDestroyed,
       cudaErrorMpsClientTerminated, cudaErrorUnknown});
  all("ERR_DEVICE_UNAVAILABLE",
      {cudaErrorInsufficientDriver, cudaErrorNoDevice, cudaErrorInvalidDevice, cudaErrorNoKernelImageForDevice,
       cudaErrorSystemDriverMismatch, cudaErrorDevicesUnavailable, cudaErrorUnsupportedPtxVersion});
  all("ERR_INTERNAL", {cudaErrorInvalidValue, cudaErrorInvalidResourceHandle, cudaErrorStreamCaptureUnsupported});
  CHECK(messageOf([] { cuda::check(cudaErrorIllegalAddress, "a copy"); }) ==
        "a copy: expected success, found cudaErrorIllegalAddress (on the emulated device): dispose of the models on "
        "this GPU and make them anew, in a new process if that fails too");
}

TEST_CASE("what is out of memory says how much is free") {
  const SoundDevices sound;
  emulated::limitMemory(0, emulated::held(0).memoryBytes + (size_t{3} << 20));
  CHECK(messageOf([] { cuda::check(cudaErrorMemoryAllocation, "a recording"); }) ==
        "a recording: expected success, found cudaErrorMemoryAllocation (on the emulated device) with 3 MiB of device "
        "memory free: use a smaller batch, crop or encoder");
}

TEST_CASE("cuBLASLt's statuses have codes") {
  const auto model = smallModel(Precision::f32);
  const std::pair<cublasStatus_t, const char*> codes[] = {{CUBLAS_STATUS_ALLOC_FAILED, "ERR_OUT_OF_MEMORY"},
                                                          {CUBLAS_STATUS_EXECUTION_FAILED, "ERR_DEVICE_LOST"},
                                                          {CUBLAS_STATUS_ARCH_MISMATCH, "ERR_DEVICE_UNAVAILABLE"},
                                                          {CUBLAS_STATUS_NOT_INITIALIZED, "ERR_DEVICE_UNAVAILABLE"},
                                                          {CUBLAS_STATUS_INVALID_VALUE, "ERR_INTERNAL"}};
  for (const auto& [status, code] : codes) {
    emulated::failProducts(status);
    CHECK(errorCode([&] { scoresOf(*model, 1); }) == code);
    emulated::failProducts(CUBLAS_STATUS_SUCCESS);
  }
  CHECK(sameBits(scoresOf(*model, 1), scoresOf(*smallModel(Precision::f32), 1)));
}

TEST_CASE("a device may be lost at any call: that is told, from then on, and leaves nothing behind") {
  const SoundDevices sound;
  const emulated::Held before = emulated::held(0);
  constexpr cudaError_t kErrors[] = {cudaErrorIllegalAddress, cudaErrorECCUncorrectable, cudaErrorUnknown};
  int64_t lives = 0;
  for (const bool late : {false, true}) {
    emulated::setLateStreams(late);
    int64_t calls = 0;
    for (std::string code = "ERR_DEVICE_LOST"; code == "ERR_DEVICE_LOST"; calls += calls < 100 ? 7 : 149, ++lives) {
      CAPTURE(calls);
      emulated::loseDevice(0, kErrors[lives % 3], calls);
      code = errorCode([] { wholeLife(Precision::bf16); });
      CHECK((code == "ERR_DEVICE_LOST" || code.empty()));
      CHECK(emulated::held(0) == before);
      emulated::restore();
    }
    CHECK(calls > 1000);  // it has come to the end
  }
}

TEST_CASE("a model on a lost device says so whatever it is asked; others live on") {
  const SoundDevices sound;
  const std::vector<float> expected = scoresOf(*smallModel(Precision::f32), 2);
  auto model = smallModel(Precision::f32);
  model->beginTraining();
  for (int64_t i = 0; i < 3; ++i) {
    scoresOf(*model, 2);
    trainOn(*model, 2, i);
  }
  emulated::loseDevice(0, cudaErrorLaunchFailure);
  for (int i = 0; i < 2; ++i) {
    CHECK(errorCode([&] { scoresOf(*model, 2); }) == "ERR_DEVICE_LOST");  // recorded
    CHECK(errorCode([&] { scoresOf(*model, 1); }) == "ERR_DEVICE_LOST");
    CHECK(errorCode([&] { trainOn(*model, 2, 3); }) == "ERR_DEVICE_LOST");
    CHECK(errorCode([&] { model->stepResult(); }) == "ERR_DEVICE_LOST");
    CHECK(errorCode([&] { learntOf(*model); }) == "ERR_DEVICE_LOST");
    CHECK(errorCode([&] { model->spareMemory(); }) == "ERR_DEVICE_LOST");
    CHECK(errorCode([&] { model->initialise(false, 2); }) == "ERR_DEVICE_LOST");
    CHECK(errorCode([&] { smallModel(Precision::f32); }) == "ERR_DEVICE_LOST");
  }
  model->endTraining();
  cuda::useDevice(1);
  CHECK(sameBits(scoresOf(*smallModel(Precision::f32), 2), expected));
  model.reset();  // from a thread that is at another device
  emulated::restore();
  cuda::useDevice(0);
  CHECK(sameBits(scoresOf(*smallModel(Precision::f32), 2), expected));
}

TEST_CASE("a session whose device is lost fails each job and ends") {
  const SoundDevices sound;
  const emulated::Held before = emulated::held(0);
  {
    Session session(smallConfig(), [] { return makeCudaBackend(Precision::bf16); });
    const auto score = [&] { wait<Score>([&](auto done) { session.score({picture(1), kSide, {}, done}); }); };
    const auto step = [&](int64_t i) {
      wait<std::optional<StepResult>>([&](auto done) {
        session.trainStep(pictures({1, 2}, true), i, shortRun(), false, {}, done);
      });
    };
    initialise(session);
    wait<Nothing>([&](auto done) { session.beginTraining(kSide, 4, {}, done); });
    for (int64_t i = 0; i < 3; ++i) step(i);
    score();
    emulated::loseDevice(0, cudaErrorIllegalAddress);
    CHECK(errorCode([&] { step(3); }) == "ERR_DEVICE_LOST");
    CHECK(errorCode(score) == "ERR_DEVICE_LOST");
    CHECK(errorCode([&] { wait<std::vector<NamedTensor>>([&](auto done) { session.stateDict(done); }); }) ==
          "ERR_DEVICE_LOST");
  }
  CHECK(emulated::held(0) == before);
}

TEST_CASE("a recorded step whose loss is not finite changes nothing") {
  for (const Precision precision : {Precision::f32, Precision::bf16}) {
    const auto model = smallModel(precision);
    model->beginTraining();
    for (int64_t i = 0; i < 3; ++i) trainOn(*model, 2, i);  // run, recorded, played
    const std::vector<float> before = learntOf(*model);
    std::vector<float> x(2 * 3 * kSide * kSide, 0.25f);
    x[5] = std::numeric_limits<float>::quiet_NaN();
    Images batch;
    batch.tensor = x.data();
    batch.count = 2;
    batch.height = batch.width = kSide;
    const Features spoilt = model->encode(batch, {});
    model->trainStep({&spoilt}, 3, shortRun(), {});
    x[5] = 0.25f;
    const Features sound = model->encode(batch, {});
    model->trainStep({&sound}, 4, shortRun(), {});  // before anybody has heard of it
    const std::string message = messageOf([&] { model->stepResult(); });
    CHECK(message.find("in iteration 3, found NaN") != std::string::npos);
    CHECK(sameBits(learntOf(*model), before));
    trainOn(*model, 2, 3);
    CHECK(!sameBits(learntOf(*model), before));
  }
}

TEST_CASE("a session tells of a loss that is not finite later, when steps do not report") {
  Session session(smallConfig(), [] { return makeCudaBackend(Precision::bf16); });
  initialise(session);
  wait<Nothing>([&](auto done) { session.beginTraining(kSide, 4, {}, done); });
  const auto step = [&](int64_t i, float value, bool report) {
    TrainingBatch batch;
    batch.tensor = {std::vector<float>(2 * 3 * kSide * kSide, value), {2, 3, kSide, kSide}};
    batch.tensor.data[0] = 1;
    return errorCode([&] {
      wait<std::optional<StepResult>>([&](auto done) { session.trainStep(batch, i, shortRun(), report, {}, done); });
    });
  };
  const auto state = [&] { return wait<std::vector<NamedTensor>>([&](auto done) { session.stateDict(done); }); };
  for (int64_t i = 0; i < 3; ++i) CHECK(step(i, 0.25f, false).empty());
  const auto before = state();
  CHECK(step(3, std::numeric_limits<float>::quiet_NaN(), false).empty());
  CHECK(step(4, 0.25f, false).empty());
  CHECK(step(5, 0.25f, true) == "ERR_LOSS_NOT_FINITE");
  CHECK(step(6, 0.25f, true) == "ERR_INTERNAL");  // the run is over
  const auto after = state();
  for (size_t i = 0; i < before.size(); ++i) CHECK(after[i].tensor.data == before[i].tensor.data);
}

TEST_CASE("models that are made, used and dropped leave nothing on the device, also after errors") {
  const SoundDevices sound;
  const emulated::Held before = emulated::held(0);
  ModelConfig config = smallConfig();
  config.encoder.dim = 16;
  config.encoder.depth = 2;
  config.encoder.targets = {0, 1};
  for (int64_t i = 0; i < 200; ++i) {
    CAPTURE(i);
    const auto model = smallModel(makeCudaBackend(i % 2 ? Precision::bf16 : Precision::f32), config);
    const bool scores = i % 16 < 2;
    model->beginTraining();
    for (int repeat = 0; scores && repeat < 2; ++repeat) scoresOf(*model, 1);
    for (int64_t it = 0; it < 2; ++it) trainOn(*model, 1, it, 28);
    CHECK(emulated::held(0).graphs == (scores ? 2 : 1));
    if (i % 4 == 0) {
      CancelToken cancelled;
      cancelled.cancel();
      const std::vector<uint8_t> pixels = picture(1, 28);
      CHECK_THROWS_AS(model->score({pixels.data()}, 28, 28, cancelled, [](const MapsView&) {}), Cancelled);
      emulated::limitMemory(0, emulated::held(0).memoryBytes);
      const std::vector<uint8_t> large = picture(1, 560);
      CHECK(errorCode([&] { model->score({large.data()}, 560, 560, {}, [](const MapsView&) {}); }) ==
            "ERR_OUT_OF_MEMORY");
      emulated::restore();
    }
  }
  CHECK(emulated::held(0) == before);
}
