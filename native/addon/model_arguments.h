// The larger arguments of Model's methods.
#pragma once

#include <napi.h>

#include <vector>

#include "model/config.h"
#include "session/tensor_reader.h"
#include "session/training_run.h"

namespace dinomaly {

struct NativeConfig {
  ModelConfig model;
  int threads;
};

struct StepOptions {
  int64_t iteration;
  TrainingOptions training;
};

// Each throws ERR_INVALID_ARGUMENT, naming the field.
NativeConfig toConfig(Napi::Value value);
std::vector<TensorSource> toSources(Napi::Value value);
TrainingBatch toBatch(Napi::Value value);
StepOptions toStepOptions(Napi::Value value);

}  // namespace dinomaly
