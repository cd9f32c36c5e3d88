// The position embedding, stretched to another grid.
#pragma once

#include <cstdint>
#include <vector>

namespace dinomaly {

/// stored: (1 + grid*grid, dim), the class token's first. Returns (1 + rows*cols, dim): the stored values at the stored
/// grid, else bicubic (a = -0.75, clamped at the edge) with (side + 0.1) / grid itself as the scale, as DINOv2 has it.
std::vector<float> stretchPositions(const float* stored, int64_t grid, int64_t rows, int64_t cols, int64_t dim);

}  // namespace dinomaly
