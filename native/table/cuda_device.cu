// CUDA's first device, or the emulated one. CUDA's source, so that device.h in it is nvcc's where nvcc compiles.
#include <cstdlib>

#include "backend/cuda/cublaslt.h"
#include "backend/cuda/cuda_backend.h"
#include "backend/cuda/properties.h"
#include "table/cuda_order.h"
#include "table/device.h"

namespace dinomaly::table {

std::vector<Device> cudaDevices() {
  cuda::useDevice(0);
  cuda::openCublasLt(std::getenv("DINOMALY_CUBLASLT"));
  std::vector<Device> devices;
  const std::pair<const char*, cuda::Precision> precisions[] = {
      {"f32", cuda::Precision::f32}, {"tf32", cuda::Precision::tf32}, {"bf16", cuda::Precision::bf16}};
  const bool hasTensorFormats = cuda::properties().computeMajor >= 8;
  for (const auto& [name, precision] : precisions) {
    if (precision != cuda::Precision::f32 && !hasTensorFormats) continue;  // cuBLASLt has no such products there
    const auto make = [precision = precision] { return makeCudaBackend(precision); };
    devices.push_back({"cuda", name, make, cudaOrders(make), kCudaIsEmulated});
  }
  return devices;
}

}  // namespace dinomaly::table
