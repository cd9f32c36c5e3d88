#include "image/crop.h"

#include <string>

#include "core/error.h"

namespace dinomaly {

int64_t cropOffset(int64_t resize, int64_t crop) {
  if (crop < 1 || crop > resize) {
    throw Error("ERR_INVALID_ARGUMENT", "crop: expected 1 to the resized side, " + std::to_string(resize) +
                                            " pixels, found " + std::to_string(crop));
  }
  const int64_t margin = resize - crop, half = margin / 2;
  const bool roundUp = margin % 2 == 1 && half % 2 == 1;
  return roundUp ? half + 1 : half;
}

}  // namespace dinomaly
