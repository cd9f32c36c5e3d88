// Pillow's antialiased bilinear resize, to the byte.
#pragma once

#include <cstdint>
#include <vector>

namespace dinomaly {

/// Some columns and rows of a picture.
struct Part {
  int64_t left, top, width, height;
};

/// What `Image.resize((newWidth, newHeight), Image.BILINEAR)` gives, and of it the part that is wanted: a triangle as
/// wide as the reduction, 22-bit fixed-point weights, first along x and then along y, rounded to bytes after each.
/// Pillow 12.3 and newer go along y first in some pictures that lose more height than width; this is the older order,
/// which the published numbers were made with.
/// pixels (height, width, channels), interleaved, 1 or 3 channels -> (part.height, part.width, channels).
/// Throws ERR_INVALID_ARGUMENT when a side is not in 1..kLargestSide (image/side.h), the channels are neither 1 nor 3,
/// or the part is empty or does not lie in the resized picture.
std::vector<uint8_t> resizeBilinear(const uint8_t* pixels, int64_t width, int64_t height, int64_t channels,
                                    int64_t newWidth, int64_t newHeight, const Part& part);

}  // namespace dinomaly
