#include "table/compare.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>

namespace dinomaly::table {
namespace {

bool sameBits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;  // it takes no null
}

/// NaN may get other bits where it is converted.
bool sameValues(const std::vector<float>& a, const std::vector<float>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](float x, float y) { return x == y || (std::isnan(x) && std::isnan(y)); });
}

double toleranceOf(const Case& c, const Device& device, Kind kind) {
  if (device.precision == "bf16") return kind == Kind::activations ? c.tolerance.bf16 : c.tolerance.sums;
  return device.precision == "tf32" && c.products ? c.tolerance.tf32 : c.tolerance.f32;
}

/// Of the largest expected value; infinite for what is not a number.
double differenceOf(const std::vector<float>& found, const std::vector<float>& expected) {
  double largest = 0, difference = 0;
  for (size_t i = 0; i < found.size(); ++i) {
    if (!std::isfinite(found[i]) || !std::isfinite(expected[i])) return INFINITY;
    largest = std::max(largest, std::abs(static_cast<double>(expected[i])));
    difference = std::max(difference, std::abs(static_cast<double>(found[i]) - expected[i]));
  }
  if (difference == 0) return 0;
  return largest > 0 ? difference / largest : INFINITY;
}

}  // namespace

Values roundedFor(const Device& device, const std::vector<Operand>& operands, Values values) {
  if (device.precision != "bf16") return values;
  for (size_t i = 0; i < operands.size(); ++i) {
    if (operands[i].kind != Kind::activations && operands[i].kind != Kind::weight) continue;
    for (float& v : values[i]) v = roundedToBf16(v);
  }
  return values;
}

std::string compare(const Case& c, const Device& device, const Values& before, const Values& found,
                    const Values& expected, double& worst) {
  char text[160];
  for (size_t i = 0; i < found.size(); ++i) {
    if (c.operands[i].access == Access::read) {
      if (!sameValues(found[i], before[i])) return "operand " + std::to_string(i) + ", which is only read, was changed";
      continue;
    }
    const double tolerance = toleranceOf(c, device, c.operands[i].kind),
                 difference = differenceOf(found[i], expected[i]);
    if (difference > tolerance) {
      std::snprintf(text, sizeof text, "operand %zu: expected at most %.1e of the largest value off, found %.2e", i,
                    tolerance, difference);
      return text;
    }
    if (tolerance > 0) worst = std::max(worst, difference / tolerance);
  }
  for (const auto& [one, other] : c.same) {
    if (sameBits(found[one], found[other])) continue;
    return "operands " + std::to_string(one) + " and " + std::to_string(other) + " are not equal to the bit";
  }
  return "";
}

std::string compareBits(const Values& found, const Values& again) {
  for (size_t i = 0; i < found.size(); ++i) {
    if (!sameBits(found[i], again[i])) return "operand " + std::to_string(i) + " has other bits";
  }
  return "";
}

}  // namespace dinomaly::table
