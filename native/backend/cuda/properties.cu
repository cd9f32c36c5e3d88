#include <algorithm>
#include <cstdio>
#include <string>

#include "backend/cuda/launch.h"
#include "backend/cuda/properties.h"
#include "core/error.h"

namespace dinomaly::cuda {
namespace {

__global__ void nothingKernel() {}

std::string versionText(int version) {
  return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

/// Whether the library holds code that device `i` runs; makes a context on it.
bool isUsable(int i) {
  cudaFuncAttributes attributes{};
  const bool found =
      cudaSetDevice(i) == cudaSuccess && cudaFuncGetAttributes(&attributes, nothingKernel) == cudaSuccess;
  cudaGetLastError();  // or the next launch would report it
  return found;
}

library::Device survey(int i) {
  cudaDeviceProp p{};
  check(cudaGetDeviceProperties(&p, i), "asking for a device's properties");
  library::Device device{};
  std::snprintf(device.name, sizeof device.name, "%.127s", p.name);
  device.major = p.major;
  device.minor = p.minor;
  device.processors = p.multiProcessorCount;
  device.memoryBytes = p.totalGlobalMem;
  device.usable = isUsable(i);
  size_t free = 0, all = 0;
  if (device.usable && cudaMemGetInfo(&free, &all) == cudaSuccess) device.freeBytes = free;
  return device;
}

}  // namespace

Properties properties() {
  int device = 0;
  cudaDeviceProp p{};
  check(cudaGetDevice(&device), "asking for the device");
  check(cudaGetDeviceProperties(&p, device), "asking for a device's properties");
  return {p.major, p.minor, p.multiProcessorCount, p.name};
}

void useDevice(int32_t device) {
  const cudaError_t status = cudaSetDevice(device);
  if (status == cudaSuccess) return;
  cudaGetLastError();  // or the next launch would report it
  int count = 0;
  if (cudaGetDeviceCount(&count) != cudaSuccess) cudaGetLastError();
  throw Error("ERR_DEVICE_UNAVAILABLE", "expected GPU " + std::to_string(device) + ", found " + std::to_string(count) +
                                            " of them, counted from 0, and " + cudaGetErrorName(status) + " (" +
                                            cudaGetErrorString(status) + "): choose another");
}

void surveyDevices(library::Report& report) {
  report.toolkit = CUDART_VERSION;
  cudaDriverGetVersion(&report.driver);  // 0 where there is no driver
  if (report.driver == 0) throw Error("ERR_DEVICE_UNAVAILABLE", "expected an NVIDIA driver, found none");
  if (report.driver / 1000 < report.toolkit / 1000) {
    throw Error("ERR_DEVICE_UNAVAILABLE", "expected a driver for CUDA " + std::to_string(report.toolkit / 1000) +
                                              ".0 or newer, found one for " + versionText(report.driver));
  }
  int count = 0;
  const cudaError_t status = cudaGetDeviceCount(&count);
  if (status != cudaSuccess) {
    throw Error("ERR_DEVICE_UNAVAILABLE", std::string("expected a GPU, found: ") + cudaGetErrorString(status));
  }
  report.deviceCount = std::min<int32_t>(count, library::kMostDevices);
  int chosen = 0;  // for this thread, before each is looked at
  check(cudaGetDevice(&chosen), "asking for the device");
  bool any = false;
  std::string found;
  for (int i = 0; i < report.deviceCount; ++i) {
    library::Device& device = report.devices[i] = survey(i);
    any = any || device.usable;
    found += std::string(i ? ", " : "") + device.name + " (compute capability " + std::to_string(device.major) + "." +
             std::to_string(device.minor) + ")";
  }
  check(cudaSetDevice(chosen), "choosing the device again");
  if (!any) throw Error("ERR_DEVICE_UNAVAILABLE", "expected a GPU that this library holds code for, found " + found);
}

}  // namespace dinomaly::cuda
