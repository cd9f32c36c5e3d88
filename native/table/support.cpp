#include <cstdio>
#include <set>

#include "core/error.h"
#include "table/cases.h"
#include "table/modes.h"

namespace dinomaly::table {
namespace {

/// "" where the device takes the case, else why it does not.
std::string refusalOf(const Case& c, const Device& device) {
  const auto backend = device.make();
  const Placed operands(*backend, c.operands, valuesOf(c.operands));
  try {
    runWhole(c, *backend, operands);
    operands.wait();
    return "";
  } catch (const Error& error) {
    return error.what();
  }
}

}  // namespace

void printSupport(const Options& options, const std::vector<Device>& devices) {
  int64_t supported = 0, refused = 0;
  for (const Device& device : devices) {
    std::set<std::string> seen;
    const int64_t elementBytes = device.make()->elementBytes();
    for (const Case& c : testCases()) {
      if (!options.wants(c)) continue;
      if (!seen.insert(c.operation).second && !c.mayBeRefused) continue;  // one shape says it, but for the odd ones
      const std::string refusal = refusalOf(c, device);
      ++(refusal.empty() ? supported : refused);
      std::printf("%-20s  activations %-4s  %-70s  %s\n", device.name().c_str(), elementBytes == 2 ? "bf16" : "f32",
                  c.name().c_str(), refusal.empty() ? "supported" : ("unsupported: " + refusal).c_str());
    }
  }
  std::printf("%lld supported, %lld refused\n", static_cast<long long>(supported), static_cast<long long>(refused));
}

}  // namespace dinomaly::table
