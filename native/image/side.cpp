#include "image/side.h"

#include <string>

#include "core/error.h"

namespace dinomaly {

void requireSide(const char* name, int64_t side) {
  if (side >= 1 && side <= kLargestSide) return;
  throw Error("ERR_INVALID_ARGUMENT", std::string(name) + ": expected 1 to " + std::to_string(kLargestSide) +
                                          " pixels, found " + std::to_string(side));
}

}  // namespace dinomaly
