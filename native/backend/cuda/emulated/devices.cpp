#include "backend/cuda/emulated/devices.h"

#include <array>

namespace dinomaly::emulated {
namespace {

std::array<Device, kMostDevices> devices;
Machine wholeMachine;

}  // namespace

Device& deviceAt(int device) {
  return devices.at(static_cast<size_t>(device));
}

const Machine& machine() {
  return wholeMachine;
}

Call::Call(int device) : device_(deviceAt(device)), lock_(device_.mutex) {
  if (device_.callsLeft == 0) device_.isLost = true;
  if (device_.callsLeft > 0) --device_.callsLeft;
}

Held held(int device) {
  Device& d = deviceAt(device);
  const std::lock_guard<std::recursive_mutex> lock(d.mutex);
  return d.held;
}

void limitMemory(int device, size_t bytes) {
  Device& d = deviceAt(device);
  const std::lock_guard<std::recursive_mutex> lock(d.mutex);
  d.mostMemory = bytes;
}

void limitPinned(int device, size_t bytes) {
  Device& d = deviceAt(device);
  const std::lock_guard<std::recursive_mutex> lock(d.mutex);
  d.mostPinned = bytes;
}

void loseDevice(int device, cudaError_t error, int64_t calls) {
  Device& d = deviceAt(device);
  const std::lock_guard<std::recursive_mutex> lock(d.mutex);
  d.lostWith = error;
  d.callsLeft = calls;
}

void setMachine(const Machine& machine) {
  wholeMachine = machine;
}

void restore() {
  wholeMachine = {};
  for (Device& d : devices) {
    const std::lock_guard<std::recursive_mutex> lock(d.mutex);
    d.mostMemory = d.mostPinned = kMemoryBytes;
    d.callsLeft = -1;
    d.isLost = false;
  }
}

}  // namespace dinomaly::emulated
