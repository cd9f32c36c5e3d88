// What the benchmark's programs are told to compute, as bench/lib/works.mjs writes it.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>

#include "backend/backend.h"
#include "model/config.h"

namespace dinomaly::bench {

struct Work {
  ModelConfig network;
  int64_t side, batch;
  int threads;
  CpuPrecision precision;
};

/// Throws what the JSON library throws where something is missing.
Work workOf(const nlohmann::json& json);

}  // namespace dinomaly::bench
