// Every operation of backend.h once more, in plain loops and double sums: what the fast ones are held against.
#pragma once

#include "backend/backend.h"

namespace dinomaly {

std::unique_ptr<Backend> makePlainBackend();

}  // namespace dinomaly
