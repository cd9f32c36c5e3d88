#include <cstdio>
#include <map>
#include <string>

#include "core/error.h"
#include "table/cases.h"
#include "table/compare.h"
#include "table/modes.h"

namespace dinomaly::table {
namespace {

Values valuesAfter(const Case& c, Backend& backend, const Values& before) {
  const Placed operands(backend, c.operands, before);
  runWhole(c, backend, operands);
  return operands.values();
}

/// A case's values before, and what plain loops make of them, computed once for all devices that round alike.
struct Expected {
  Expected(const Case& c, const Device& device, const Values& values)
      : before(roundedFor(device, c.operands, values)), after(valuesAfter(c, *device.plain(), before)) {}
  const Values before, after;
};

void testCase(const Case& c, const Device& device, const Expected& expected, Report& report) {
  const std::string check = c.name() + " on " + device.name();
  try {
    const Values found = valuesAfter(c, *device.make(), expected.before);
    double worst = 0;
    std::string problem = compare(c, device, expected.before, found, expected.after, worst);
    for (const Variation& variation : device.variations) {
      if (!problem.empty()) break;
      variation.run([&](Backend& backend) { problem = compareBits(found, valuesAfter(c, backend, expected.before)); });
      if (!problem.empty()) problem += " " + variation.name;
    }
    char detail[64];
    std::snprintf(detail, sizeof detail, "off by %.0f %% of the tolerance", 100 * worst);
    report.add(check, problem, detail);
  } catch (const Error& error) {
    const bool isRefusal = c.mayBeRefused && error.code() == "ERR_DEVICE_UNAVAILABLE";
    report.add(check, isRefusal ? "" : error.what(), std::string("refused: ") + error.what());
  } catch (const std::exception& error) {
    report.add(check, error.what(), "");
  }
}

}  // namespace

void test(const Options& options, const std::vector<Device>& devices, Report& report) {
  for (const Case& c : testCases()) {
    if (!options.wants(c)) continue;
    const Values values = valuesOf(c.operands);
    std::map<std::string, Expected> expected;
    for (const Device& device : devices) {
      if (c.large && device.emulated) continue;
      if (!c.products && device.roundsProductsAlone()) continue;  // the same kernels as in f32
      const std::string roundsAs = device.precision == "tf32" ? "f32" : device.precision;
      testCase(c, device, expected.try_emplace(roundsAs, c, device, values).first->second, report);
    }
  }
}

}  // namespace dinomaly::table
