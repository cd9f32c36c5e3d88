#pragma once

#include <string>
#include <vector>

#include "table/case.h"
#include "table/device.h"

namespace dinomaly::table {

/// What a device can do at most, measured or told.
struct Roof {
  double flops;  // a second, in products
  double bytes;  // a second
};

struct Options {
  std::vector<std::string> modes;
  std::string backend, precision, filter;  // empty: all
  bool verbose = false;
  Roof roof = {790e12, 3.35e12};  // of mode model: an H100's, bf16
  std::string ptxas;              // file of mode model; empty: none

  bool wants(const Case& c) const { return c.name().find(filter) != std::string::npos; }
  bool wants(const Device& d) const {
    return (backend.empty() || backend == d.backend) && (precision.empty() || precision == d.precision);
  }
};

/// Throws std::invalid_argument with what was expected.
Options parseOptions(int count, const char* const* arguments);

extern const char* const kUsage;

}  // namespace dinomaly::table
