// What the machine has, for `dinomaly inspect`.
#pragma once

#include <string>
#include <vector>

namespace dinomaly {

/// The widest instruction set of those that matter here: "avx512", "avx2" or "x86-64".
std::string instructionSet();

/// Names of the NVIDIA GPUs that the driver lists, else their device nodes; empty where there are none.
std::vector<std::string> nvidiaGpus();

}  // namespace dinomaly
