// The larger arguments of Model's methods.
#pragma once

#include <napi.h>

#include <optional>
#include <string>
#include <vector>

#include "backend/library/interface.h"
#include "model/config.h"
#include "session/tensor_reader.h"
#include "session/training_run.h"

namespace dinomaly {

/// A device that a library of its own computes on.
struct LibraryDevice {
  std::string library;   // its path
  std::string cublasLt;  // path; empty: by its name, as the system finds it
  int32_t ordinal;
  library::Precision precision;
  bool measure;
};

struct NativeConfig {
  ModelConfig model;
  int threads;
  std::optional<LibraryDevice> device;  // none: the CPU, in cpuPrecision
  CpuPrecision cpuPrecision = CpuPrecision::f32;
};

struct StepOptions {
  int64_t iteration;
  TrainingOptions training;
  bool report;
};

// Each throws ERR_INVALID_ARGUMENT, naming the field.
NativeConfig toConfig(Napi::Value value);
std::vector<TensorSource> toSources(Napi::Value value);
TrainingBatch toBatch(Napi::Value value);
StepOptions toStepOptions(Napi::Value value);

}  // namespace dinomaly
