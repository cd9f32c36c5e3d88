// Opens a device's shared library and checks that it speaks the interface of this build.
#pragma once

#include <string>

#include "backend/library/interface.h"

namespace dinomaly {

/// The library's functions, for the rest of the process: it is never closed, since its threads may outlive any owner.
/// Throws ERR_DEVICE_UNAVAILABLE for a file that is missing, no library, or of another interface.
const library::Interface& openLibrary(const std::string& path);

}  // namespace dinomaly
