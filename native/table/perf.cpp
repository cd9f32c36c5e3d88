#include <cstdio>
#include <memory>

#include "table/cases.h"
#include "table/cost.h"
#include "table/modes.h"
#include "table/roof.h"

namespace dinomaly::table {
namespace {

void printCase(const Case& c, const Network& network, Backend& backend, const Roof& roof) {
  const Cost cost = costOf(c, backend.elementBytes());
  const double seconds = secondsOf(c, backend);
  std::printf("%-8s %3lld  %-68s %10.4f ms %9.1f GB/s %10.1f GFLOP/s %6.1f %%\n", network.name.c_str(),
              static_cast<long long>(network.images), c.name().c_str(), seconds * 1e3, cost.bytes / seconds / 1e9,
              cost.flops / seconds / 1e9, 100 * cost.least(roof) / seconds);
  std::fflush(stdout);
}

void printDevice(const Options& options, const Device& device) {
  const Roof roof = measuredRoof(device);
  std::printf("\n%s: best product %.1f GFLOP/s, best copy %.1f GB/s; the last column is the share of that roof\n",
              device.name().c_str(), roof.flops / 1e9, roof.bytes / 1e9);
  for (const Network& network : networksFor(device.backend)) {
    const std::unique_ptr<Backend> backend = device.make();  // a new one, for what it holds back
    for (const Case& c : networkCases(network)) {
      if (!options.wants(c)) continue;
      printCase(c, network, *backend, roof);
      backend->setTrained(nullptr, 0);  // other parameters come to lie where this case's were
    }
  }
}

}  // namespace

void printPerformance(const Options& options, const std::vector<Device>& devices) {
  for (const Device& device : devices) {
    if (device.emulated) {
      std::printf("%s: not measured: its times say nothing of a GPU's\n", device.name().c_str());
      continue;
    }
    printDevice(options, device);
  }
}

}  // namespace dinomaly::table
