// What a kernel's shape may depend on.
#pragma once

namespace dinomaly::cuda {

struct Properties {
  int computeMajor;  // of the compute capability
  int processors;    // multiprocessors
};

/// Of the current device; the emulated one says it is an H100.
Properties properties();

}  // namespace dinomaly::cuda
