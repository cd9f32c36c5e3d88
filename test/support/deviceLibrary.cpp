// A device's library without a device: tests compile it with macros that say what it is and what it does.
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "backend/library/interface.h"

#ifndef VERSION
#define VERSION dinomaly::library::kInterfaceVersion
#endif
#ifndef BYTES
#define BYTES sizeof(Interface)
#endif
#ifndef TOOLKIT
#define TOOLKIT 12040
#endif
#ifndef CUBLASLT
#define CUBLASLT 120402
#endif
#ifndef DEVICES  // compute capabilities, such as "9.0"; those from 10.0 on it has no code for
#define DEVICES "9.0"
#endif
#ifndef WHEN_LOADED
#define WHEN_LOADED
#endif

namespace {

using namespace dinomaly::library;

__attribute__((constructor)) void whenLoaded() {
  WHEN_LOADED;
}

int32_t fail(Report* report, const char* problem) {
  std::snprintf(report->problem, sizeof report->problem, "%s", problem);
  return 0;
}

int32_t score(const char* cublasLt, Report* report) {
  *report = Report{};
  report->toolkit = report->driver = TOOLKIT;
  report->cublasLt = CUBLASLT;
  const std::string path = cublasLt ? cublasLt : "the system's";
  std::snprintf(report->cublasLtPath, sizeof report->cublasLtPath, "%s", path.c_str());
  bool any = false;
  int major = 0, minor = 0, read = 0;
  for (const char* text = DEVICES; std::sscanf(text, "%d.%d%n", &major, &minor, &read) == 2; text += read) {
    Device& device = report->devices[report->deviceCount++];
    std::memset(device.name, 'G', sizeof device.name);  // to the brim
    device.major = major;
    device.minor = minor;
    device.memoryBytes = uint64_t{80} << 30;
    any = (device.usable = major < 10) || any;
  }
  if (!any) return fail(report, "expected a GPU, found none");
  if (path.find("broken") != std::string::npos) return fail(report, "expected a cuBLASLt, found a broken one");
  if (path.find("crash") != std::string::npos) std::abort();
  if (path.find("hang") != std::string::npos) sleep(600);
  return TOOLKIT;
}

}  // namespace

#ifndef NO_SYMBOL
extern "C" const dinomaly::library::Interface* dinomalyDeviceLibrary() {
  static Interface interface {};
  interface.version = VERSION;
  interface.bytes = BYTES;
  interface.score = score;
  return &interface;
}
#endif
