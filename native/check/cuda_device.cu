#include <cstdlib>

#include "backend/cuda/cublaslt.h"
#include "backend/cuda/cuda_backend.h"
#include "backend/cuda/memory.h"
#include "backend/cuda/properties.h"
#include "check/device.h"
#include "core/error.h"
#if !defined(__CUDACC__)
#include "backend/cuda/emulated/devices.h"
#endif

namespace dinomaly::check {
namespace {

cuda::Precision precisionOf(const std::string& name) {
  if (name == "f32") return cuda::Precision::f32;
  if (name == "tf32") return cuda::Precision::tf32;
  if (name == "bf16") return cuda::Precision::bf16;
  throw Error("ERR_INVALID_ARGUMENT", "--precision: expected f32, tf32 or bf16, found " + name);
}

}  // namespace

std::unique_ptr<Backend> makeDevice(const std::string& precision) {
  cuda::useDevice(0);
  cuda::openCublasLt(std::getenv("DINOMALY_CUBLASLT"));
  return makeCudaBackend(precisionOf(precision));
}

int64_t deviceBytesUsed() {
#if defined(__CUDACC__)
  size_t free = 0, all = 0;
  cuda::check(cudaMemGetInfo(&free, &all), "asking for the device's memory");
  return static_cast<int64_t>(all - free);
#else
  return static_cast<int64_t>(emulated::held(0).memoryBytes);
#endif
}

std::string deviceText() {
  library::Report report{};
  cuda::surveyDevices(report);
  return std::string(report.devices[0].name) + ", CUDA " + std::to_string(report.toolkit) + ", driver for " +
         std::to_string(report.driver) + ", cuBLASLt " + std::to_string(cuda::cublasLt().getVersion());
}

}  // namespace dinomaly::check
