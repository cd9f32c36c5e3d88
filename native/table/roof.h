// How fast a device is at best, and how long a case takes on it.
#pragma once

#include "table/case.h"
#include "table/device.h"
#include "table/options.h"

namespace dinomaly::table {

/// Seconds of one run, of as many as take 50 ms together.
double secondsOf(const Case& c, Backend& backend);

/// The best product's and the best large copy's or sum's rate.
Roof measuredRoof(const Device& device);

}  // namespace dinomaly::table
