// What a device's library finds on this machine, and what the process needs that asks it.
#pragma once

#include <napi.h>

namespace dinomaly {

void defineDeviceFunctions(Napi::Env env, Napi::Object exports);

}  // namespace dinomaly
