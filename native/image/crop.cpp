#include "image/crop.h"

#include <algorithm>
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

std::vector<uint8_t> centreCrop(const uint8_t* pixels, int64_t side, int64_t channels, int64_t crop) {
  const int64_t offset = cropOffset(side, crop), rowSize = crop * channels;
  std::vector<uint8_t> result(static_cast<size_t>(crop * rowSize));
  for (int64_t y = 0; y < crop; ++y) {
    std::copy_n(pixels + ((y + offset) * side + offset) * channels, rowSize, result.data() + y * rowSize);
  }
  return result;
}

}  // namespace dinomaly
