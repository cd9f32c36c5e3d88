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

Activations Backend::narrowed(const Activations& wide, int64_t size) {
  if (elementBytes() == kFloat) return wide;
  Activations rounded = allocateActivations(size);
  toElements(rounded.get(), reinterpret_cast<const float*>(wide.get()), size);
  return rounded;
}

}  // namespace dinomaly
