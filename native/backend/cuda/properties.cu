#include "backend/cuda/launch.h"
#include "backend/cuda/properties.h"

namespace dinomaly::cuda {

#if defined(__CUDACC__)

Properties properties() {
  int device = 0;
  Properties p{};
  check(cudaGetDevice(&device), "asking for the device");
  check(cudaDeviceGetAttribute(&p.computeMajor, cudaDevAttrComputeCapabilityMajor, device),
        "asking for its capability");
  check(cudaDeviceGetAttribute(&p.processors, cudaDevAttrMultiProcessorCount, device), "asking for its processors");
  return p;
}

#else

Properties properties() {
  return {9, 132};
}

#endif

}  // namespace dinomaly::cuda
