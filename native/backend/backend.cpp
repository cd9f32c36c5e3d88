#include "backend/backend.h"

namespace dinomaly {

void Backend::download(float* to, const Element* from, int64_t size) {
  const Buffer converted = allocate(size);
  fromElements(converted.get(), from, size);
  download(to, converted.get(), size);
}

Buffer Backend::allocateFrozenWeight(int64_t size) {
  return allocate(size);
}

void Backend::groupMeans(Element* mean, Element* const* groups, const float* weights, int64_t groupCount,
                         const Element* const* tokens, int64_t count, int64_t images, int64_t tokenCount,
                         int64_t patchCount, int64_t dim) {
  const std::vector<float> equal(static_cast<size_t>(count), 1.0f / static_cast<float>(count));
  weightedSum(mean, tokens, equal.data(), count, images * tokenCount * dim);
  for (int64_t g = 0; g < groupCount; ++g) {
    groupMean(groups[g], weights + g * count, tokens, count, images, tokenCount, patchCount, dim);
  }
}

void Backend::groupMean(Element* y, const float* weights, const Element* const* tokens, int64_t count, int64_t images,
                        int64_t tokenCount, int64_t patchCount, int64_t dim) {
  std::vector<const Element*> members;
  std::vector<float> shares;
  for (int64_t i = 0; i < count; ++i) {
    if (weights[i] == 0) continue;
    members.push_back(tokens[i]);
    shares.push_back(weights[i]);
  }
  takePatches(y, members.data(), shares.data(), static_cast<int64_t>(members.size()), images, tokenCount, patchCount,
              dim);
}

Activations Backend::narrowed(const Activations& wide, int64_t size) {
  if (elementBytes() == kFloat) return wide;
  Activations rounded = allocateActivations(size);
  toElements(rounded.get(), reinterpret_cast<const float*>(wide.get()), size);
  return rounded;
}

}  // namespace dinomaly
