// The backends that the table runs on, in every precision that they have.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "backend/backend.h"
#include "test/plain_backend.h"

namespace dinomaly::table {

using Work = std::function<void(Backend&)>;

/// A way to run that must change no bit.
struct Variation {
  std::string name;
  std::function<void(const Work&)> run;
};

struct Device {
  std::string backend;    // cpu, cuda
  std::string precision;  // f32, tf32, bf16, int8
  std::function<std::unique_ptr<Backend>()> make;
  std::vector<Variation> variations;
  bool emulated = false;
  std::function<std::unique_ptr<Backend>()> plain = [] { return makePlainBackend(); };  // what it is held against

  /// Where all else than products is computed as in f32.
  bool roundsProductsAlone() const { return precision == "tf32" || precision == "int8"; }
  std::string name() const { return backend + (emulated ? " (emulated) " : " ") + precision; }
};

/// Throw Error where there are none.
std::vector<Device> cpuDevices();
std::vector<Device> cudaDevices();

}  // namespace dinomaly::table
