// Every operation of backend.h once more, in plain loops and double sums: what the fast ones are held against.
#pragma once

#include "backend/float_backend.h"

namespace dinomaly {

std::unique_ptr<FloatBackend> makePlainBackend();

}  // namespace dinomaly
