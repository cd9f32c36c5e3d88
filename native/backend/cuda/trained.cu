#include <algorithm>

#include "backend/cuda/trained.h"

namespace dinomaly::cuda {

void Trained::set(const TrainedTensor* tensors, int64_t count) {
  tensors_.assign(tensors, tensors + count);
  forgetTable();
}

bool Trained::has(const float* p) const {
  return std::any_of(tensors_.begin(), tensors_.end(), [p](const TrainedTensor& t) { return t.p == p; });
}

bool Trained::isTrue(const RoundedWeights& rounded) {
  if (!table_.tensors) return false;
  if (rounded_ == rounded.count()) return true;
  rounded_ = rounded.count();
  const auto hasCopy = [&](const TrainedTensor& t, const bf16* copy) { return rounded.find(t.p) == copy; };
  return std::equal(tensors_.begin(), tensors_.end(), copies_.begin(), hasCopy);
}

void Trained::makeTable(Backend& backend, const RoundedWeights& rounded) {
  loadStableAdamW();
  std::vector<OptimizerTensor> tensors;
  copies_.clear();
  for (const TrainedTensor& t : tensors_) {
    copies_.push_back(rounded.find(t.p));
    tensors.push_back({t.p, t.m, t.v, t.vmax, t.g, copies_.back(), t.size, 0});
  }
  rounded_ = rounded.count();
  const std::vector<int32_t> chunks = assignChunks(tensors);
  const auto place = [&](const auto& values) {
    const auto bytes = static_cast<int64_t>(values.size() * sizeof values[0]);
    std::shared_ptr<void> there = backend.allocateBytes(bytes);
    backend.uploadBytes(there.get(), values.data(), bytes);
    return there;
  };
  onDevice_ = place(tensors);
  chunks_ = place(chunks);
  table_ = {static_cast<const OptimizerTensor*>(onDevice_.get()), static_cast<const int32_t*>(chunks_.get()),
            static_cast<int64_t>(tensors.size()), static_cast<int64_t>(chunks.size())};
}

void Trained::step(Stream stream, Backend& backend, Step* step, const RoundedWeights& rounded) {
  if (!isTrue(rounded)) makeTable(backend, rounded);
  const int64_t doubles = optimizerPartials(table_.chunkCount, table_.tensorCount);
  const std::shared_ptr<void> partials = backend.allocateBytes(doubles * static_cast<int64_t>(sizeof(double)));
  gradientNorm(stream, step, table_, static_cast<double*>(partials.get()));
  stableAdamW(stream, table_, static_cast<double*>(partials.get()));
}

}  // namespace dinomaly::cuda
