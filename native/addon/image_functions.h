// prepareImage, prepareMask, mapToOriginal and renderHeatmap (lib/addon.ts) over native/image.
#pragma once

#include <napi.h>

namespace dinomaly {

void defineImageFunctions(Napi::Env env, Napi::Object exports);

}  // namespace dinomaly
