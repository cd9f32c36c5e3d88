// What ptxas told of the kernels: prebuilds/dinomaly-cuda<major>.ptxas.json, as scripts/cuda writes it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace dinomaly::table {

struct Kernel {
  std::string name, source, architecture;
  int64_t registers, sharedBytes;

  /// Of the warps that a multiprocessor holds, the share that its registers suffice for. Threads of a block and dynamic
  /// shared memory, which a launch chooses, may allow less.
  double occupancy() const;
};

/// Throws std::invalid_argument for a file that is none.
std::vector<Kernel> readKernels(const std::string& path);

}  // namespace dinomaly::table
