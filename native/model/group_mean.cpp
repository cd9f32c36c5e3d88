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

}  // namespace

void groupMean(Backend& backend, Element* y, const std::vector<Activations>& outputs, const std::vector<int64_t>& group,
               Shape shape, int64_t patchCount, int64_t dim) {
  const std::vector<float> shares = sharesOf(group, outputs.size());
  std::vector<const Element*> members;
  std::vector<float> weights;
  for (size_t i = 0; i < outputs.size(); ++i) {
    if (shares[i] == 0) continue;
    members.push_back(outputs[i].get());
    weights.push_back(shares[i]);
  }
  backend.takePatches(y, members.data(), weights.data(), static_cast<int64_t>(members.size()), shape.images,
                      shape.tokens, patchCount, dim);
}

void groupMeans(Backend& backend, Element* mean, const std::vector<Element*>& ys,
                const std::vector<Activations>& outputs, const std::vector<std::vector<int64_t>>& groups, Shape shape,
                int64_t patchCount, int64_t dim) {
  std::vector<const Element*> tokens;
  for (const Activations& output : outputs) tokens.push_back(output.get());
  std::vector<float> weights;
  for (const std::vector<int64_t>& group : groups) {
    const std::vector<float> shares = sharesOf(group, outputs.size());
    weights.insert(weights.end(), shares.begin(), shares.end());
  }
  backend.groupMeans(mean, ys.data(), weights.data(), static_cast<int64_t>(ys.size()), tokens.data(),
                     static_cast<int64_t>(tokens.size()), shape.images, shape.tokens, patchCount, dim);
}

}  // namespace dinomaly
