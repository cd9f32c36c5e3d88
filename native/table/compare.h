// What a device made of a case, held against plain loops.
#pragma once

#include "table/case.h"
#include "table/device.h"

namespace dinomaly::table {

/// As `device` stores them: activations and the factors of products.
Values roundedFor(const Device& device, const std::vector<Operand>& operands, Values values);

/// What is wrong with `found`, which came of `before`; empty where nothing is. Tells by how much of the tolerance the
/// worst value is off.
std::string compare(const Case& c, const Device& device, const Values& before, const Values& found,
                    const Values& expected, double& worst);

/// "" or which operand differs.
std::string compareBits(const Values& found, const Values& again);

}  // namespace dinomaly::table
