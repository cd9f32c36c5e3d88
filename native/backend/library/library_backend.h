// A backend that a device's shared library gives.
#pragma once

#include <memory>

#include "backend/library/interface.h"

namespace dinomaly {

/// Throws what the library says: ERR_DEVICE_UNAVAILABLE, ERR_OUT_OF_MEMORY.
std::unique_ptr<Backend> makeLibraryBackend(const library::Interface& library, const library::Settings& settings);

}  // namespace dinomaly
