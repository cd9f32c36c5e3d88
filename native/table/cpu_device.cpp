#include "core/error.h"
#include "table/device.h"

namespace dinomaly::table {

#if defined(DINOMALY_TABLE_CPU)

std::vector<Device> cpuDevices() {
  Device cpu{"cpu", "f32", [] { return makeCpuBackend(2); }, {}};
  for (const int threads : {1, 3}) {
    cpu.variations.push_back({"with " + std::to_string(threads) + " threads",
                              [threads](const Work& work) { work(*makeCpuBackend(threads)); }});
  }
  return {cpu};
}

#else

std::vector<Device> cpuDevices() {
  throw Error("ERR_DEVICE_UNAVAILABLE", "expected the CPU backend, which was not built");
}

#endif

}  // namespace dinomaly::table
