// Every operation of backend.h once more, in plain loops and double sums: what the fast ones are held against.
#pragma once

#include <memory>
#include <optional>

#include "backend/cpu/int8_product.h"
#include "backend/float_backend.h"

namespace dinomaly {

/// levels: linear layers that may be rounded are, as an int8 backend does.
std::unique_ptr<FloatBackend> makePlainBackend(std::optional<ByteLevels> levels = {});

}  // namespace dinomaly
