#include "check/device.h"
#include "core/error.h"

namespace dinomaly::check {

std::unique_ptr<Backend> makeDevice(const std::string& precision) {
  if (precision == "f32") return makeCpuBackend(0);
  if (precision == "int8") return makeCpuBackend(0, CpuPrecision::int8);
  throw Error("ERR_INVALID_ARGUMENT", "--precision: expected f32 or int8, found " + precision);
}

int64_t deviceBytesUsed() {
  return 0;
}

std::string deviceText() {
  return "CPU, oneDNN " + oneDnnVersion();
}

}  // namespace dinomaly::check
