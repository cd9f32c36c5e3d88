// The error of memory that runs out.
#pragma once

#include <cstddef>
#include <cstdio>
#include <optional>
#include <string>

#include "core/error.h"

namespace dinomaly {

/// kind: such as "device memory". free: null where nobody knows.
inline Error outOfMemory(const std::string& kind, size_t neededBytes, std::optional<size_t> freeBytes) {
  const auto mebibytes = [](size_t bytes) {
    char text[32];
    std::snprintf(text, sizeof text, "%.1f MiB", static_cast<double>(bytes) / (1 << 20));
    return std::string(text);
  };
  return Error("ERR_OUT_OF_MEMORY", "expected " + mebibytes(neededBytes) + " of free " + kind + ", found " +
                                        (freeBytes ? mebibytes(*freeBytes) : "less") +
                                        ": use a smaller batch, crop or encoder");
}

}  // namespace dinomaly
