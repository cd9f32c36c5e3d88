// dinomaly_table: every operation of backend.h, at many shapes, on every backend that was built.
#include <cstdio>
#include <stdexcept>

#include "core/error.h"
#include "table/modes.h"

namespace {

using namespace dinomaly;
using namespace dinomaly::table;

/// Those that the options want and this machine has; of the others it says why not.
std::vector<Device> devicesFor(const Options& options) {
  std::vector<Device> usable;
  for (const auto find : {cpuDevices, cudaDevices}) {
    try {
      for (Device& device : find()) {
        if (!options.wants(device)) continue;
        try {
          device.make();
          usable.push_back(std::move(device));
        } catch (const Error& error) {
          std::printf("%s: not here: %s\n", device.name().c_str(), error.what());
        }
      }
    } catch (const Error& error) {
      std::printf("%s: not here: %s\n", find == cpuDevices ? "cpu" : "cuda", error.what());
    }
  }
  return usable;
}

void runModes(const Options& options, Report& report) {
  for (const std::string& mode : options.modes) {
    if (mode == "model") {
      printModel(options);
      continue;
    }
    const std::vector<Device> devices = devicesFor(options);
    if (devices.empty())
      throw std::invalid_argument("expected a backend to run on, found none that was built and asked for");
    if (mode == "test") test(options, devices, report);
    if (mode == "grad") testGradients(options, devices, report);
    const bool checks = mode == "test" || mode == "grad";
    if (checks && report.checks() == 0)
      throw std::invalid_argument("--filter: expected a case of that name, found none");
    if (mode == "support") printSupport(options, devices);
    if (mode == "perf") printPerformance(options, devices);
  }
}

}  // namespace

int main(int count, char** arguments) {
  try {
    const Options options = parseOptions(count, arguments);
    Report report(options.verbose);
    runModes(options, report);
    if (report.checks() > 0) report.printSum();
    return report.failed() == 0 ? 0 : 1;
  } catch (const std::invalid_argument& error) {
    std::fprintf(stderr, "%s\n%s", error.what(), kUsage);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
  }
  return 1;
}
