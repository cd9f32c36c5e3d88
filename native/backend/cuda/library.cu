// The library's only symbol, and what it gives: interface.h over this folder's backend.
#include <cstdio>
#include <exception>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <utility>

#include "backend/cuda/cublaslt.h"
#include "backend/cuda/cuda_backend.h"
#include "backend/cuda/properties.h"
#include "backend/library/interface.h"
#include "core/error.h"

namespace dinomaly::cuda {
namespace {

using library::Created;
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

/// A backend with the memory and downloads that the other side holds.
class Session {
 public:
  explicit Session(std::unique_ptr<Backend> backend) : backend_(std::move(backend)) {}
  Backend& backend() { return *backend_; }
  void* hold(std::shared_ptr<void> memory) {
    const std::lock_guard<std::mutex> lock(mutex_);
    void* const block = memory.get();
    held_[block] = std::move(memory);
    return block;
  }
  std::shared_ptr<void> find(void* block) {
    const std::lock_guard<std::mutex> lock(mutex_);
    return held_.at(block);
  }
  void drop(void* block) noexcept {
    const std::lock_guard<std::mutex> lock(mutex_);
    held_.erase(block);
  }

 private:
  std::unique_ptr<Backend> backend_;
  std::mutex mutex_;  // buffers may be dropped by another thread than the network's
  std::unordered_map<void*, std::shared_ptr<void>> held_;
};

Session& sessionOf(void* backend) {
  return *static_cast<Session*>(backend);
}

int32_t create(const Settings* settings, Created* created, Failure* failure) noexcept {
  return guarded(failure, [&] {
    useDevice(settings->device);
    openCublasLt(settings->cublasLt);
    auto session = std::make_unique<Session>(
        makeCudaBackend(settings->precision, settings->measure ? Choosing::timed : Choosing::first));
    const Backend& made = session->backend();
    *created = {session.get(), made.elementBytes(), made.imagesAtOnce(), made.recomputes()};
    session.release();  // destroy() takes it back
  });
}

void destroy(void* backend) noexcept {
  const std::unique_ptr<Session> dropped(&sessionOf(backend));
}

int32_t allocate(void* backend, Failure* failure, int64_t bytes, void** block) noexcept {
  return guarded(failure, [&] {
    Session& session = sessionOf(backend);
    *block = session.hold(session.backend().allocateBytes(bytes));
  });
}

int32_t allocateFrozenWeight(void* backend, Failure* failure, int64_t size, void** block) noexcept {
  return guarded(failure, [&] {
    Session& session = sessionOf(backend);
    *block = session.hold(session.backend().allocateFrozenWeight(size));
  });
}

void release(void* backend, void* block) noexcept {
  sessionOf(backend).drop(block);
}

int32_t run(void* backend, Failure* failure, int64_t id, int32_t (*work)(void*), void* context) noexcept {
  struct GaveUp {
    int32_t result;
  };
  int32_t result = 0;
  const int32_t failed = guarded(failure, [&] {
    try {
      sessionOf(backend).backend().run(id, [&] {
        const int32_t found = work(context);
        if (found != 0) throw GaveUp{found};
      });
    } catch (const GaveUp& gaveUp) {
      result = gaveUp.result;
    }
  });
  return failed ? failed : result;
}

int32_t tuning(void* backend, Failure* failure, void (*take)(void*, const char*), void* context) noexcept {
  return guarded(failure, [&] { take(context, sessionOf(backend).backend().tuning().c_str()); });
}

int32_t memory(void* backend, Failure* failure, MemoryState* state) noexcept {
  return guarded(failure, [&] { *state = sessionOf(backend).backend().memory(); });
}

int32_t startDownload(void* backend, Failure* failure, const void* from, int64_t bytes, void** download) noexcept {
  return guarded(failure, [&] {
    Session& session = sessionOf(backend);
    *download = session.hold(session.backend().startDownload(from, bytes));
  });
}

int32_t finishDownload(void* backend, Failure* failure, void* download, const void** to) noexcept {
  return guarded(failure, [&] {
    Session& session = sessionOf(backend);
    *to = session.backend().finishDownload(session.find(download));
  });
}

int32_t stepOutcome(void* backend, Failure* failure, StepOutcome* outcome) noexcept {
  return guarded(failure, [&] { *outcome = sessionOf(backend).backend().stepOutcome(); });
}

template <auto operation>
struct Exported;
template <typename... Arguments, void (Backend::*operation)(Arguments...)>
struct Exported<operation> {
  static int32_t call(void* backend, Failure* failure, Arguments... arguments) noexcept {
    return guarded(failure, [&] { (sessionOf(backend).backend().*operation)(arguments...); });
  }
};

}  // namespace
}  // namespace dinomaly::cuda

extern "C" __attribute__((visibility("default"))) const dinomaly::library::Interface* dinomalyDeviceLibrary() {
  using namespace dinomaly;
#define DINOMALY_EXPORT(name) cuda::Exported<&Backend::name>::call,
  static constexpr library::Interface kInterface = {
      library::kInterfaceVersion,
      sizeof(library::Interface),
      cuda::score,
      cuda::create,
      cuda::destroy,
      cuda::allocate,
      cuda::allocateFrozenWeight,
      cuda::release,
      cuda::run,
      cuda::tuning,
      cuda::memory,
      cuda::startDownload,
      cuda::finishDownload,
      cuda::release,
      cuda::stepOutcome,
      DINOMALY_OPERATIONS(DINOMALY_EXPORT)  //
  };
#undef DINOMALY_EXPORT
  return &kInterface;
}
