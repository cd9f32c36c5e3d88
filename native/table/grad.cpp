#include <cmath>
#include <cstdio>

#include "table/compare.h"
#include "table/gradients.h"
#include "table/modes.h"
#include "test/noise.h"
#include "test/plain_backend.h"

namespace dinomaly::table {
namespace {

constexpr float kStep = 1.0f / 256;

/// How the weighted result changes along a direction of one input: a central difference.
double measured(const Gradient& g, const Values& inputs, size_t moved, const std::vector<float>& direction) {
  const auto plain = makePlainBackend();
  double change = 0;
  for (const float sign : {1.0f, -1.0f}) {
    Values there = inputs;
    for (size_t i = 0; i < direction.size(); ++i) there[moved][i] += sign * kStep * direction[i];
    const std::vector<float> y = g.forward(*plain, there);
    for (size_t i = 0; i < y.size(); ++i) change += sign * static_cast<double>(g.weights[i]) * y[i] / (2 * kStep);
  }
  return change;
}

/// A share of the sum of the products' absolute values: of the difference itself, and of what gradients are rounded to.
double toleranceOf(const Gradient& g, const Device& device) {
  constexpr double kOfDifference = 2e-3, kTf32 = 5e-3, kBf16 = 4e-3;
  if (device.precision == "bf16") return kOfDifference + kBf16;
  return device.precision == "tf32" && g.products ? kTf32 : kOfDifference;
}

void testGradient(const Gradient& g, const Device& device, Report& report) {
  const Values inputs = roundedFor(device, g.inputs, valuesOf(g.inputs));
  const Values found = g.backward(*device.make(), inputs);
  for (size_t t = 0; t < found.size(); ++t) {
    const std::vector<float> direction = noise(static_cast<int64_t>(inputs[t].size()), 77 + static_cast<uint32_t>(t));
    double predicted = 0, scale = 0;
    for (size_t i = 0; i < direction.size(); ++i) {
      predicted += static_cast<double>(found[t][i]) * direction[i];
      scale += std::abs(static_cast<double>(found[t][i]) * direction[i]);
    }
    const double change = measured(g, inputs, t, direction), allowed = toleranceOf(g, device) * scale + 1e-4;
    char text[120];
    std::snprintf(text, sizeof text, "expected %.6g, by finite differences, within %.2g, found %.6g", change, allowed,
                  predicted);
    const bool near = std::abs(change - predicted) <= allowed;  // false for NaN
    report.add("gradient of " + g.operation + " by input " + std::to_string(t) + " on " + device.name(),
               near ? "" : text, text);
  }
}

}  // namespace

void testGradients(const Options& options, const std::vector<Device>& devices, Report& report) {
  for (const Gradient& g : gradients()) {
    if (g.operation.find(options.filter) == std::string::npos) continue;
    for (const Device& device : devices) {
      if (!g.products && device.roundsProductsAlone()) continue;
      try {
        testGradient(g, device, report);
      } catch (const std::exception& error) {
        report.add("gradient of " + g.operation + " on " + device.name(), error.what(), "");
      }
    }
  }
}

}  // namespace dinomaly::table
