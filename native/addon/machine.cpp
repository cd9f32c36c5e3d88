#include "addon/machine.h"

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <system_error>

namespace dinomaly {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> sortedEntries(const char* folder) {
  std::vector<std::string> entries;
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) {
    entries.push_back(entry->path().string());
  }
  std::sort(entries.begin(), entries.end());
  return entries;
}

/// The text after "Model:" in a GPU's file of the driver; empty when there is none.
std::string gpuModel(const std::string& path) {
  constexpr char label[] = "Model:";
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    if (line.rfind(label, 0) != 0) continue;
    const size_t start = line.find_first_not_of(" \t", sizeof(label) - 1);
    return start == std::string::npos ? "" : line.substr(start);
  }
  return "";
}

bool isGpuNode(const std::string& path) {
  constexpr char prefix[] = "/dev/nvidia";
  constexpr size_t length = sizeof(prefix) - 1;
  return path.size() > length && path.compare(0, length, prefix) == 0 &&
         std::all_of(path.begin() + length, path.end(), [](unsigned char c) { return std::isdigit(c) != 0; });
}

}  // namespace

std::string instructionSet() {
#if defined(__x86_64__)
  const bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
  if (avx512) return "avx512";
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return "avx2";
#endif
  return "x86-64";
}

std::vector<std::string> nvidiaGpus() {
  std::vector<std::string> names;
  for (const std::string& gpu : sortedEntries("/proc/driver/nvidia/gpus")) {
    const std::string name = gpuModel(gpu + "/information");
    if (!name.empty()) names.push_back(name);
  }
  if (!names.empty()) return names;
  for (const std::string& node : sortedEntries("/dev")) {
    if (isGpuNode(node)) names.push_back(node);
  }
  return names;
}

}  // namespace dinomaly
