// What tests of failing devices share: the small network on the emulated device, and all that it has learnt.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "backend/cuda/cuda_backend.h"
#include "backend/cuda/emulated/devices.h"
#include "small_session.h"

namespace dinomaly {

/// Makes devices sound again, and the first one the thread's.
struct SoundDevices {
  ~SoundDevices() {
    emulated::restore();
    emulated::setLateStreams(false);
    cudaSetDevice(0);
  }
};

inline std::unique_ptr<Dinomaly> smallModel(std::unique_ptr<Backend> backend,
                                            const ModelConfig& config = smallConfig()) {
  auto model = std::make_unique<Dinomaly>(config, std::move(backend));
  model->initialise(true, 1);
  return model;
}
inline std::unique_ptr<Dinomaly> smallModel(cuda::Precision precision) {
  return smallModel(makeCudaBackend(precision));
}

/// Scores of `count` pictures, then their maps.
inline std::vector<float> scoresOf(Dinomaly& model, uint32_t count) {
  std::vector<std::vector<uint8_t>> pixels;
  std::vector<const uint8_t*> views;
  for (uint32_t i = 0; i < count; ++i) views.push_back(pixels.emplace_back(picture(i)).data());
  Maps all;
  model.score(views, kSide, kSide, {}, [&all](const MapsView& some) { all.add(some); });
  all.scores.insert(all.scores.end(), all.maps.begin(), all.maps.end());
  return all.scores;
}

/// One iteration on `count` pictures.
inline StepResult trainOn(Dinomaly& model, uint32_t count, int64_t iteration, int64_t side = kSide) {
  std::vector<Features> features;
  for (uint32_t i = 0; i < count; ++i) {
    const std::vector<uint8_t> pixels = picture(100 * static_cast<uint32_t>(iteration) + i, side);
    Images image;
    image.pixels = pixels.data();
    image.count = 1;
    image.height = image.width = side;
    features.push_back(model.encode(image, {}));
  }
  std::vector<const Features*> parts;
  for (const Features& part : features) parts.push_back(&part);
  model.trainStep(parts, iteration, shortRun(), {});
  return model.stepResult();
}

/// Parameters and the optimiser's state.
inline std::vector<float> learntOf(Dinomaly& model) {
  std::vector<float> all;
  const auto append = [&](const std::vector<ParameterInfo>& infos, auto get) {
    for (const ParameterInfo& info : infos) {
      const size_t at = all.size();
      all.resize(at + static_cast<size_t>(info.size()));
      (model.*get)(info.name, all.data() + at);
    }
  };
  append(model.parameters(), &Dinomaly::getParameter);
  append(model.optimizerState(), &Dinomaly::getOptimizerState);
  return all;
}

}  // namespace dinomaly
