// CUDA's implementation of every operation in backend.h, over the kernels beside it. Activations are f32 in memory;
// what products round their factors to is the precision. Compiled for the host it runs on the emulated device, for
// tests.
#pragma once

#include <memory>

#include "backend/backend.h"
#include "backend/cuda/products.h"

namespace dinomaly {

/// On the current device. Throws ERR_DEVICE_UNAVAILABLE where cuBLASLt is not to be had.
std::unique_ptr<Backend> makeCudaBackend(cuda::Precision precision);

}  // namespace dinomaly
