#include "model/group_mean.h"

#include <map>

namespace dinomaly {

void groupMean(Backend& backend, Element* y, const std::vector<Activations>& outputs, const std::vector<int64_t>& group,
               Shape shape, int64_t patchCount, int64_t dim) {
  std::map<int64_t, int64_t> times;
  for (const int64_t i : group) ++times[i];
  std::vector<const Element*> members;
  std::vector<float> weights;
  for (const auto& [i, count] : times) {
    members.push_back(outputs[static_cast<size_t>(i)].get());
    weights.push_back(static_cast<float>(count) / static_cast<float>(group.size()));
  }
  backend.takePatches(y, members.data(), weights.data(), static_cast<int64_t>(members.size()), shape.images,
                      shape.tokens, patchCount, dim);
}

}  // namespace dinomaly
