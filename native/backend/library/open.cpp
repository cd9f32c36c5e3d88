#include "backend/library/open.h"

#include <dlfcn.h>

#include "core/error.h"

namespace dinomaly {
namespace {

[[noreturn]] void unavailable(const std::string& path, const std::string& expected, const std::string& found) {
  throw Error("ERR_DEVICE_UNAVAILABLE", path + ": expected " + expected + ", found " + found + ".");
}

std::string loaderError() {
  const char* const error = dlerror();
  return error ? error : "nothing";
}

}  // namespace

const library::Interface& openLibrary(const std::string& path) {
  void* const opened = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!opened) unavailable(path, "a shared library that can be loaded", "that the loader says: " + loaderError());
  const auto get = reinterpret_cast<library::GetInterface>(dlsym(opened, library::kSymbol));
  if (!get) unavailable(path, "a device library of this package", std::string("no symbol ") + library::kSymbol);
  const library::Interface* const interface = get();
  if (!interface) unavailable(path, "a device library of this package", "one without an interface");
  if (interface->version != library::kInterfaceVersion) {
    unavailable(path, "interface version " + std::to_string(library::kInterfaceVersion),
                std::to_string(interface->version) + " (it belongs to another version of this package)");
  }
  if (interface->bytes != sizeof(library::Interface)) {
    unavailable(path, "an interface of " + std::to_string(sizeof(library::Interface)) + " bytes",
                std::to_string(interface->bytes) + " (it belongs to another version of this package)");
  }
  return *interface;
}

}  // namespace dinomaly
