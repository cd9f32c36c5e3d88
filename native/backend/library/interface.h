// What a device's shared library gives: one symbol, a struct of functions with a version. Only plain C types cross, so
// that library and addon may come from different compilers. The emulated device has such a library too.
#pragma once

#include <cstdint>

namespace dinomaly::library {

/// Raised with every change of what this header says.
constexpr uint32_t kInterfaceVersion = 1;

constexpr int32_t kMostDevices = 16;

struct Device {
  char name[128];
  int32_t major, minor;  // compute capability
  int32_t processors;    // multiprocessors
  int32_t usable;        // whether the library holds code for it
  uint64_t memoryBytes, freeBytes;
};

/// What a library finds on a machine. Versions as CUDA writes them, 12040 for 12.4; 0: there is none.
struct Report {
  int32_t toolkit;      // that the library was built with
  int32_t driver;       // the newest CUDA that the driver supports
  uint64_t cublasLt;    // as cublasLtGetVersion gives it
  int32_t deviceCount;  // of those in `devices`
  Device devices[kMostDevices];
  char cublasLtPath[1024];  // of the file that was opened
  char problem[1024];       // why nothing can be computed; empty where something can
};

/// Why a call failed: a code of lib/errors.ts, and its message.
struct Failure {
  char code[64];
  char message[1024];
};

enum class Precision : int32_t { f32, tf32, bf16 };

struct Settings {
  int32_t device;  // its number, as in Report
  Precision precision;
  const char* cublasLt;  // path; null: by its name, as the system finds it
};

struct Interface {
  uint32_t version;  // kInterfaceVersion
  uint32_t bytes;    // sizeof(Interface)

  /// How well the library serves this machine: 0 not at all, else the newer toolkit the more. Fills the report. Makes
  /// a context on each device, so that a process of its own should ask.
  int32_t (*score)(const char* cublasLt, Report* report);

  /// A backend on a device. 0, or not and the failure is filled; so for all that return an int32_t.
  int32_t (*create)(const Settings* settings, void** backend, Failure* failure);
  void (*destroy)(void* backend);
};

/// The library's only symbol.
constexpr char kSymbol[] = "dinomalyDeviceLibrary";
using GetInterface = const Interface* (*)();

}  // namespace dinomaly::library
