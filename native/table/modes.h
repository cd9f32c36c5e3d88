// What the program can do with the table.
#pragma once

#include "table/options.h"
#include "table/report.h"

namespace dinomaly::table {

/// Each case on each device, held against plain loops.
void test(const Options& options, const std::vector<Device>& devices, Report& report);
/// Each backward pass on each device, held against finite differences of the plain forward pass.
void testGradients(const Options& options, const std::vector<Device>& devices, Report& report);
/// Prints which operation each device takes, and why not.
void printSupport(const Options& options, const std::vector<Device>& devices);
/// Prints times at the network's shapes, and the share of the device's own roof.
void printPerformance(const Options& options, const std::vector<Device>& devices);
/// Prints what the roof of the options allows.
void printModel(const Options& options);

}  // namespace dinomaly::table
