#include "table/ptxas.h"

#include <algorithm>
#include <fstream>
#include <stdexcept>

namespace dinomaly::table {
namespace {

/// A member's text in a line that holds one flat JSON object; "" where there is none. No name holds a quote.
std::string memberOf(const std::string& line, const std::string& name) {
  const std::string key = "\"" + name + "\":";
  const size_t found = line.find(key);
  if (found == std::string::npos) return "";
  const size_t begin = found + key.size();
  if (line[begin] == '"') return line.substr(begin + 1, line.find('"', begin + 1) - begin - 1);
  return line.substr(begin, line.find_first_of(",}", begin) - begin);
}

int64_t warpsOf(const std::string& architecture) {
  if (architecture == "sm_75") return 32;
  for (const char* const smaller : {"sm_86", "sm_89", "sm_120"}) {
    if (architecture == smaller) return 48;
  }
  return 64;
}

}  // namespace

double Kernel::occupancy() const {
  constexpr int64_t kRegisters = 65536, kWarp = 32, kRegisterUnit = 8, kWarpUnit = 4;
  const int64_t ofThread = (std::max<int64_t>(registers, 1) + kRegisterUnit - 1) / kRegisterUnit * kRegisterUnit;
  const int64_t fitting = kRegisters / (ofThread * kWarp) / kWarpUnit * kWarpUnit, most = warpsOf(architecture);
  return static_cast<double>(std::min(fitting, most)) / static_cast<double>(most);
}

std::vector<Kernel> readKernels(const std::string& path) {
  std::ifstream file(path);
  std::vector<Kernel> kernels;
  for (std::string line; std::getline(file, line);) {
    if (memberOf(line, "kernel") != "true") continue;
    kernels.push_back({memberOf(line, "name"), memberOf(line, "source"), memberOf(line, "architecture"),
                       std::stoll(memberOf(line, "registers")), std::stoll(memberOf(line, "sharedBytes"))});
  }
  if (kernels.empty()) {
    throw std::invalid_argument(
        "--ptxas: expected the table of kernels that npm run prebuild -- --cuda writes, found " + path +
        " without any");
  }
  return kernels;
}

}  // namespace dinomaly::table
