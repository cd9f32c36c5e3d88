// The library's only symbol, and what it gives: interface.h over this folder's backend.
#include <cstdio>
#include <exception>
#include <memory>

#include "backend/cuda/cublaslt.h"
#include "backend/cuda/cuda_backend.h"
#include "backend/cuda/properties.h"
#include "backend/library/interface.h"
#include "core/error.h"

namespace dinomaly::cuda {
namespace {

using library::Failure;
using library::Interface;
using library::Report;
using library::Settings;

/// 0 if `call` returns; otherwise what it threw goes into the failure.
template <typename Call>
int32_t guarded(Failure* failure, const Call& call) noexcept {
  const auto fail = [&](const char* code, const char* message) {
    std::snprintf(failure->code, sizeof failure->code, "%s", code);
    std::snprintf(failure->message, sizeof failure->message, "%s", message);
    return 1;
  };
  try {
    call();
    return 0;
  } catch (const Error& error) {
    return fail(error.code().c_str(), error.what());
  } catch (const std::bad_alloc& error) {
    return fail("ERR_OUT_OF_MEMORY", error.what());
  } catch (const std::exception& error) {
    return fail("ERR_INTERNAL", error.what());
  }
}

int32_t score(const char* path, Report* report) noexcept {
  *report = Report{};
  Failure failure{};
  const int32_t failed = guarded(&failure, [&] {
    surveyDevices(*report);
    openCublasLt(path);
    report->cublasLt = cublasLt().getVersion();
    std::snprintf(report->cublasLtPath, sizeof report->cublasLtPath, "%s", cublasLtPath().c_str());
  });
  std::snprintf(report->problem, sizeof report->problem, "%s", failure.message);
  return failed ? 0 : report->toolkit;
}

int32_t create(const Settings* settings, void** backend, Failure* failure) noexcept {
  return guarded(failure, [&] {
    useDevice(settings->device);
    openCublasLt(settings->cublasLt);
    *backend = makeCudaBackend(settings->precision).release();
  });
}

void destroy(void* backend) noexcept {
  const std::unique_ptr<Backend> dropped(static_cast<Backend*>(backend));
}

}  // namespace
}  // namespace dinomaly::cuda

extern "C" __attribute__((visibility("default"))) const dinomaly::library::Interface* dinomalyDeviceLibrary() {
  using namespace dinomaly;
  static constexpr library::Interface kInterface = {
      library::kInterfaceVersion, sizeof(library::Interface), cuda::score, cuda::create, cuda::destroy,
  };
  return &kInterface;
}
