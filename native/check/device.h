// What a check runs on: each program has one of cuda_device.cu and cpu_device.cpp.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "backend/backend.h"

namespace dinomaly::check {

/// `precision` is f32, tf32 or bf16. Throws ERR_INVALID_ARGUMENT where the device does not have it,
/// ERR_DEVICE_UNAVAILABLE where there is no such device.
std::unique_ptr<Backend> makeDevice(const std::string& precision);

/// Bytes in use on the whole device, by all programs; 0 where it has no memory of its own.
int64_t deviceBytesUsed();

/// What computes, in words: its name and the versions of what it computes with.
std::string deviceText();

}  // namespace dinomaly::check
