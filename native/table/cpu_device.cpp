#include "backend/cpu/int8_product.h"
#include "core/error.h"
#include "table/device.h"

namespace dinomaly::table {

#if defined(DINOMALY_TABLE_CPU)

namespace {

Device cpuDevice(const std::string& name, CpuPrecision precision) {
  Device cpu{"cpu", name, [precision] { return makeCpuBackend(2, precision); }, {}};
  for (const int threads : {1, 3}) {
    cpu.variations.push_back({"with " + std::to_string(threads) + " threads",
                              [=](const Work& work) { work(*makeCpuBackend(threads, precision)); }});
  }
  return cpu;
}

}  // namespace

std::vector<Device> cpuDevices() {
  Device int8 = cpuDevice("int8", CpuPrecision::int8);
  int8.plain = [] { return makePlainBackend(byteLevels()); };
  return {cpuDevice("f32", CpuPrecision::f32), int8};
}

#else

std::vector<Device> cpuDevices() {
  throw Error("ERR_DEVICE_UNAVAILABLE", "expected the CPU backend, which was not built");
}

#endif

}  // namespace dinomaly::table
