// rankingMetrics and aupro (lib/addon.ts) over native/metrics.
#pragma once

#include <napi.h>

namespace dinomaly {

void defineMetricFunctions(Napi::Env env, Napi::Object exports);

}  // namespace dinomaly
