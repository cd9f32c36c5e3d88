// The orders in which the emulated device runs threads and blocks; a GPU has one of its own.
#pragma once

#include "table/device.h"

namespace dinomaly::table {

#if defined(__CUDACC__)
constexpr bool kCudaIsEmulated = false;
#else
constexpr bool kCudaIsEmulated = true;
#endif

/// Variations of a CUDA device that `make` gives: every other order, or once more.
std::vector<Variation> cudaOrders(const std::function<std::unique_ptr<Backend>()>& make);

}  // namespace dinomaly::table
