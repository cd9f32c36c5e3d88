// Many copies on the device in a launch. T: float or bf16.
#pragma once

#include <vector>

#include "backend/cuda/launch.h"

namespace dinomaly::cuda {

template <typename T>
struct CopyOf {
  T* to;
  const T* from;
  int64_t size;
};

/// All of them, in any order: none may write what another reads or writes.
template <typename T>
void copyEach(Stream stream, const std::vector<CopyOf<T>>& copies);

}  // namespace dinomaly::cuda
