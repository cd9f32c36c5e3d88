#include "backend/backend.h"

namespace dinomaly {

void Backend::download(float* to, const Element* from, int64_t size) {
  const Buffer converted = allocate(size);
  fromElements(converted.get(), from, size);
  download(to, converted.get(), size);
}

}  // namespace dinomaly
