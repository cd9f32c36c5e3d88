#include "backend/cpu/int8_weights.h"

#include <algorithm>
#include <cmath>

#include "backend/cpu/product.h"

namespace dinomaly {
namespace {

static_assert(kByteColumns % kPanelCols == 0);

/// The bytes, their sum and the scale of one output, whose values are `stride` apart. A value that is not finite makes
/// the scale NaN, and so all that it scales.
float roundRow(int8_t* bytes, int32_t& sum, const float* values, int64_t stride, int64_t in, int32_t levels) {
  float largest = 0, check = 0;
  for (int64_t i = 0; i < in; ++i) {
    largest = std::max(largest, std::abs(values[i * stride]));
    check += values[i * stride] * 0.0f;
  }
  sum = 0;
  const float inverse = largest > 0 ? static_cast<float>(levels) / largest : 0;
  for (int64_t i = 0; i < in; ++i) {
    const float scaled = values[i * stride] * inverse;
    bytes[i] = static_cast<int8_t>(std::isfinite(scaled) ? std::rint(scaled) : 0);
    sum += bytes[i];
  }
  return largest / static_cast<float>(levels) + check;
}

}  // namespace

const ByteWeights& Int8Weights::of(const float* panels, int64_t in, int64_t out) {
  const auto found = copies_.find(panels);
  return found != copies_.end() ? found->second : copies_.emplace(panels, round(panels, in, out)).first->second;
}

ByteWeights Int8Weights::round(const float* panels, int64_t in, int64_t out) {
  ByteWeights w;
  int64_t size = 0;
  for (int64_t o = 0; o < out; o += kByteColumns) {
    w.blocks.push_back(size);
    size += (packedBytes(in, std::min(kByteColumns, out - o)) + 63) / 64 * 64;  // aligned as memory is
  }
  w.bytes = allocate_(size);
  w.scales.resize(static_cast<size_t>(out));
  w.sums.resize(static_cast<size_t>(out));
  const int32_t levels = byteLevels().right;
  threads_.runBlocks(out, kByteColumns, [&](int64_t first, int64_t end) {
    std::vector<int8_t> bytes(static_cast<size_t>((end - first) * in));
    for (int64_t o = first; o < end; o += kPanelCols) {
      const int64_t width = panelWidth(out, o);
      for (int64_t j = 0; j < width; ++j) {
        const auto row = static_cast<size_t>(o + j);
        w.scales[row] =
            roundRow(bytes.data() + (o + j - first) * in, w.sums[row], panels + o * in + j, width, in, levels);
      }
    }
    packBytes(static_cast<int8_t*>(w.bytes.get()) + w.blocks[static_cast<size_t>(first / kByteColumns)], bytes.data(),
              in, end - first);
  });
  return w;
}

}  // namespace dinomaly
