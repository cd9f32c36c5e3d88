// Between a picture's own pixels and the network's: pictures and masks in, maps out (paper, 4.1; released code).
//
// `resize` is the side a picture is stretched to, `crop` the side of its middle that the network sees.
// The caller has checked that a buffer is as long as its shape says; all else is checked here.
#pragma once

#include <cstdint>
#include <vector>

namespace dinomaly {

/// RGB pixels (height, width, 3) -> Pillow's resize, then the centre crop: (crop, crop, 3).
/// Throws ERR_INVALID_ARGUMENT when a side is out of range or crop is larger than resize.
std::vector<uint8_t> prepareImage(const uint8_t* pixels, int64_t width, int64_t height, int64_t resize, int64_t crop);

/// A mask (height, width) of one channel -> resized and cropped as pictures are, then nearest to (256, 256): 1 where
/// above 0, else 0. Throws as prepareImage.
std::vector<uint8_t> prepareMask(const uint8_t* pixels, int64_t width, int64_t height, int64_t resize, int64_t crop);

/// map (256, 256), as it lies over the crop -> (height, width), in the picture's own pixels: bilinear between the
/// centres of the map's cells, the outermost ones held to the edge; NaN where the crop cut the picture off.
/// Throws as prepareImage.
std::vector<float> mapToOriginal(const float* map, int64_t width, int64_t height, int64_t resize, int64_t crop);

}  // namespace dinomaly
