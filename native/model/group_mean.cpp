#include "model/group_mean.h"

namespace dinomaly {
namespace {

/// Of each of `outputs` tensors in a group's mean, 0 where it is no member.
std::vector<float> sharesOf(const std::vector<int64_t>& group, size_t outputs) {
  std::vector<float> shares(outputs);
  for (const int64_t i : group) ++shares[static_cast<size_t>(i)];
  for (float& share : shares) share /= static_cast<float>(group.size());
  return shares;
}

std::vector<const Element*> pointersTo(const std::vector<Activations>& outputs) {
  std::vector<const Element*> tokens;
  for (const Activations& output : outputs) tokens.push_back(output.get());
  return tokens;
}

}  // namespace

void groupMean(Backend& backend, Element* y, const std::vector<Activations>& outputs, const std::vector<int64_t>& group,
               Shape shape, int64_t patchCount, int64_t dim) {
  const std::vector<const Element*> tokens = pointersTo(outputs);
  backend.groupMean(y, sharesOf(group, outputs.size()).data(), tokens.data(), static_cast<int64_t>(tokens.size()),
                    shape.images, shape.tokens, patchCount, dim);
}

void groupMeans(Backend& backend, Element* mean, const std::vector<Element*>& ys,
                const std::vector<Activations>& outputs, const std::vector<std::vector<int64_t>>& groups, Shape shape,
                int64_t patchCount, int64_t dim) {
  const std::vector<const Element*> tokens = pointersTo(outputs);
  std::vector<float> weights;
  for (const std::vector<int64_t>& group : groups) {
    const std::vector<float> shares = sharesOf(group, outputs.size());
    weights.insert(weights.end(), shares.begin(), shares.end());
  }
  backend.groupMeans(mean, ys.data(), weights.data(), static_cast<int64_t>(ys.size()), tokens.data(),
                     static_cast<int64_t>(tokens.size()), shape.images, shape.tokens, patchCount, dim);
}

}  // namespace dinomaly
