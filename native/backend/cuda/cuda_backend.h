// CUDA's implementation of every operation in backend.h, over the kernels beside it. Compiled for the host it runs on
// the emulated device, for tests.
#pragma once

#include <memory>

#include "backend/backend.h"
#include "backend/cuda/products.h"

namespace dinomaly {

/// On the calling thread's device. With bf16, activations and the weights that products read are bf16 in memory, and
/// GELU fused into a product is its tanh form; master weights, gradients of weights and the optimiser's state are f32
/// always. Throws ERR_DEVICE_UNAVAILABLE where
/// cuBLASLt is not to be had.
std::unique_ptr<Backend> makeCudaBackend(cuda::Precision precision, cuda::Choosing choosing = cuda::Choosing::first);

}  // namespace dinomaly
