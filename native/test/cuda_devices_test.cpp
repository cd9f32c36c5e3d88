// Several devices and several threads, and what is said of a machine's devices.
#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <thread>

#include "backend/cuda/properties.h"
#include "backend/library/interface.h"
#include "cuda_faults_support.h"
#include "cuda_support.h"
#include "error_code.h"

using namespace dinomaly;
using cuda::Precision;
using cuda::sameBits;

extern "C" const library::Interface* dinomalyDeviceLibrary();

namespace {

/// What a model on `device` scores and learns, when the device has been chosen on the calling thread.
std::vector<float> useModel(int device, Precision precision, int64_t seed) {
  cuda::useDevice(device);
  const auto model = smallModel(precision);
  model->beginTraining();
  for (int64_t i = 0; i < 3; ++i) trainOn(*model, 2, seed + i);
  std::vector<float> all = learntOf(*model);
  for (int repeat = 0; repeat < 3; ++repeat) {
    const std::vector<float> scores = scoresOf(*model, 2);
    all.insert(all.end(), scores.begin(), scores.end());
  }
  return all;
}

void checkTogether(int first, int second) {
  const SoundDevices sound;
  std::vector<float> alone[2], together[2];
  alone[0] = useModel(first, Precision::bf16, 0);
  alone[1] = useModel(second, Precision::f32, 10);
  std::thread one([&] { together[0] = useModel(first, Precision::bf16, 0); });
  std::thread other([&] { together[1] = useModel(second, Precision::f32, 10); });
  one.join();
  other.join();
  for (int i : {0, 1}) CHECK(sameBits(together[i], alone[i]));
}

library::Report reportOf(const emulated::Machine& machine) {
  const SoundDevices sound;
  emulated::setMachine(machine);
  library::Report report;
  const int32_t score = dinomalyDeviceLibrary()->score(nullptr, &report);
  CHECK((score > 0) == (report.problem[0] == 0));
  return report;
}

}  // namespace

TEST_CASE("two models in two threads give the bits that each gives alone, on one device and on two") {
  for (const bool late : {false, true}) {
    emulated::setLateStreams(late);
    checkTogether(0, 0);
    emulated::setLateStreams(late);
    checkTogether(0, 1);
  }
}

TEST_CASE("a model takes memory of its own device alone") {
  const SoundDevices sound;
  const emulated::Held before[] = {emulated::held(0), emulated::held(1)};
  cuda::useDevice(1);
  {
    const auto model = smallModel(Precision::bf16);
    scoresOf(*model, 1);
    CHECK(emulated::held(0) == before[0]);
    CHECK(emulated::held(1).memoryBytes > before[1].memoryBytes);
    std::thread([&] { scoresOf(*smallModel(Precision::bf16), 1); }).join();  // whose device is the first
    cuda::useDevice(0);
    CHECK(errorCode([&] { scoresOf(*model, 1); }) == "ERR_INTERNAL");  // as on GPUs, which must be current
  }
  CHECK(emulated::held(0) == before[0]);
  CHECK(emulated::held(1) == before[1]);
}

TEST_CASE("a device that there is not cannot be used") {
  const SoundDevices sound;
  for (const int device : {-1, emulated::kMostDevices}) {
    CHECK(errorCode([&] { cuda::useDevice(device); }) == "ERR_DEVICE_UNAVAILABLE");
  }
  CHECK(sameBits(scoresOf(*smallModel(Precision::f32), 1), scoresOf(*smallModel(Precision::f32), 1)));
}

TEST_CASE("a library reports the devices of a machine, or why none can be used") {
  const library::Report whole = reportOf({});
  CHECK(whole.toolkit == 13000);
  CHECK(whole.driver == 13000);
  REQUIRE(whole.deviceCount == 2);
  for (const library::Device* device : {&whole.devices[0], &whole.devices[1]}) {
    CHECK(std::string(device->name) == "emulated");
    CHECK(device->major == 9);
    CHECK(device->minor == 0);
    CHECK(device->processors == 132);
    CHECK(device->usable == 1);
    CHECK(device->memoryBytes == emulated::kMemoryBytes);
    CHECK(device->freeBytes <= device->memoryBytes);
  }
  const auto problem = [](int driver, int devices, bool codeFits) {
    return std::string(reportOf({driver, devices, codeFits}).problem);
  };
  CHECK(problem(0, 2, true) == "expected an NVIDIA driver, found none");
  CHECK(problem(12040, 2, true) == "expected a driver for CUDA 13.0 or newer, found one for 12.4");
  CHECK(problem(13000, 0, true).find("expected a GPU, found: ") == 0);
  CHECK(problem(13000, 1, false) ==
        "expected a GPU that this library holds code for, found emulated (compute capability 9.0)");
}
