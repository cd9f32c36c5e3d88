// What a device's shared library gives: one symbol, a struct of functions with a version. Only plain types and pointers
// to them cross, and no exception, so that library and addon may come from different compilers. The emulated device
// has such a library too.
#pragma once

#include <cstdint>

#include "backend/backend.h"

namespace dinomaly::library {

/// Raised with every change of what this header says.
constexpr uint32_t kInterfaceVersion = 4;

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
  int32_t measure;       // whether it may time what tuning() has not: then speed on that day decides about last bits
};

struct Created {
  void* backend;
  // As Backend's functions of these names.
  int64_t elementBytes, imagesAtOnce;
  int32_t recomputes;
};

/// Backend's operations that return nothing, each of which is a function of the interface with the same arguments.
#define DINOMALY_OPERATIONS(X) \
  X(uploadBytes)               \
  X(uploadEach)                \
  X(downloadBytes)             \
  X(zeroBytes)                 \
  X(copyBytes)                 \
  X(copyEach)                  \
  X(toElements)                \
  X(fromElements)              \
  X(addTuning)                 \
  X(parametersChanged)         \
  X(forget)                    \
  X(patchesFromPixels)         \
  X(patchesFromTensor)         \
  X(embed)                     \
  X(uploadWeight)              \
  X(downloadWeight)            \
  X(linear)                    \
  X(linearInputGradient)       \
  X(linearWeightGradient)      \
  X(gelu)                      \
  X(geluBackward)              \
  X(layerNorm)                 \
  X(layerNormGradient)         \
  X(softmaxAttention)          \
  X(linearAttention)           \
  X(linearAttentionGradient)   \
  X(dropout)                   \
  X(weightedSum)               \
  X(takePatches)               \
  X(groupMeans)                \
  X(putPatches)                \
  X(cosineDistance)            \
  X(anomalyMaps)               \
  X(imageScores)               \
  X(setTrained)                \
  X(beginStep)                 \
  X(looseLoss)                 \
  X(optimizerStep)

/// A member function as a plain one. What a reference refers to is plain, and so is the reference: an address.
template <typename Member>
struct Plain;
template <typename... Arguments>
struct Plain<void (Backend::*)(Arguments...)> {
  using Function = int32_t (*)(void* backend, Failure* failure, Arguments...);
};

// What crosses beside this header's own structs: whoever changes one raises kInterfaceVersion and these.
static_assert(sizeof(Epilogue) == 40 && sizeof(Dropout) == 8 && sizeof(TrainedTensor) == 48);
static_assert(sizeof(StepNumbers) == 80 && sizeof(StepOutcome) == 24 && sizeof(MemoryState) == 16);
static_assert(sizeof(Copy) == 24);

/// Functions that return an int32_t return 0, or another number when they failed and filled the failure.
struct Interface {
  uint32_t version;  // kInterfaceVersion
  uint32_t bytes;    // sizeof(Interface)

  /// How well the library serves this machine: 0 not at all, else the newer toolkit the more. Fills the report. Makes
  /// a context on each device, so that a process of its own should ask.
  int32_t (*score)(const char* cublasLt, Report* report);

  /// Chooses the device of the calling thread, for good; everything after it is to be called on that thread, but for
  /// release and dropDownload. A model has a thread of its own, so nobody else is disturbed.
  int32_t (*create)(const Settings* settings, Created* created, Failure* failure);
  void (*destroy)(void* backend);

  int32_t (*allocate)(void* backend, Failure* failure, int64_t bytes, void** block);
  int32_t (*allocateFrozenWeight)(void* backend, Failure* failure, int64_t size, void** block);
  void (*release)(void* backend, void* block);
  /// work returns 0, or another number to give up, which the call then returns without a failure.
  int32_t (*run)(void* backend, Failure* failure, int64_t id, int32_t (*work)(void* context), void* context);
  /// take: gets the text, which is gone when it returns.
  int32_t (*tuning)(void* backend, Failure* failure, void (*take)(void* context, const char* text), void* context);
  int32_t (*memory)(void* backend, Failure* failure, MemoryState* state);
  int32_t (*startDownload)(void* backend, Failure* failure, const void* from, int64_t bytes, void** download);
  int32_t (*finishDownload)(void* backend, Failure* failure, void* download, const void** to);
  void (*dropDownload)(void* backend, void* download);
  int32_t (*stepOutcome)(void* backend, Failure* failure, StepOutcome* outcome);

#define DINOMALY_DECLARE(name) Plain<decltype(&Backend::name)>::Function name;
  DINOMALY_OPERATIONS(DINOMALY_DECLARE)
#undef DINOMALY_DECLARE
};

/// The library's only symbol.
constexpr char kSymbol[] = "dinomalyDeviceLibrary";
using GetInterface = const Interface* (*)();

}  // namespace dinomaly::library
