// What kernels' shapes and the choice of algorithms may depend on.
#pragma once

#include <string>

#include "backend/library/interface.h"

namespace dinomaly::cuda {

struct Properties {
  int computeMajor, computeMinor;  // the compute capability
  int processors;                  // multiprocessors
  std::string name;
};

/// Of the current device; emulated ones say that they are H100s.
Properties properties();

/// Chooses the device of the calling thread, for good: each model has a thread of its own. Throws
/// ERR_DEVICE_UNAVAILABLE.
void useDevice(int32_t device);

/// Fills in everything but cuBLASLt's fields. Throws ERR_DEVICE_UNAVAILABLE where no device can be used.
void surveyDevices(library::Report& report);

}  // namespace dinomaly::cuda
