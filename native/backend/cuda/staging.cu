#include <algorithm>
#include <cstring>
#include <string>

#include "backend/cuda/staging.h"
#include "core/error.h"

namespace dinomaly::cuda {
namespace {

/// At least `wanted`, in steps that leave few sizes.
size_t roundedUp(size_t wanted) {
  size_t bytes = 4096;
  while (bytes < wanted) bytes *= 2;
  return bytes;
}

/// Calls piece(offset, size) for `bytes` in pieces of at most `most`.
template <typename Piece>
void inPieces(size_t bytes, size_t most, const Piece& piece) {
  for (size_t offset = 0; offset < bytes; offset += most) piece(offset, std::min(most, bytes - offset));
}

void copyToHost(Stream stream, void* to, const void* from, size_t bytes) {
  check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToHost, stream), "a copy to the host");
}

/// Before memory goes that the device reads or writes until then.
void waitFor(const Event& event) noexcept {
  try {
    event.synchronize();
  } catch (const Error&) {  // the device is lost, and touches nothing any more
  }
}

}  // namespace

Staging::~Staging() {
  for (const Slot& slot : slots_) waitFor(slot.taken);
}

Staging::Download::~Download() {
  waitFor(arrived);  // or others would get the block while it is written
}

void Staging::Slot::grow(size_t wanted) {
  if (wanted <= bytes) return;
  const size_t grown = roundedUp(wanted);
  taken.synchronize();
  bytes = 0;  // until both are there
  onHost.emplace(grown);
  onDevice.emplace(grown);
  bytes = grown;
}

void Staging::refuseRecording(const char* what) const {
  if (compute_.isRecorded()) {
    throw Error("ERR_INTERNAL", std::string("expected a recording of operations alone, found ") + what);
  }
}

void Staging::upload(void* to, const void* from, size_t bytes) {
  inPieces(bytes, kMostBytes, [&](size_t offset, size_t size) {
    uploadThrough(static_cast<char*>(to) + offset, size,
                  [&](Slot& slot) { copyThrough(slot, 0, static_cast<const char*>(from) + offset, size); });
  });
}

void Staging::uploadEach(void* to, const void* const* from, size_t count, size_t bytes) {
  const size_t together = std::max(size_t{1}, kMostBytes / std::max(size_t{1}, bytes));
  inPieces(count, together, [&](size_t first, size_t some) {
    uploadThrough(static_cast<char*>(to) + first * bytes, some * bytes, [&](Slot& slot) {
      for (size_t i = 0; i < some; ++i) copyThrough(slot, i * bytes, from[first + i], bytes);
    });
  });
}

template <typename Fill>
void Staging::uploadThrough(void* to, size_t bytes, const Fill& fill) {
  refuseRecording("an upload");
  Slot& slot = slots_[next_];
  next_ = (next_ + 1) % kSlots;
  slot.arrived.synchronize();  // before the host writes anew what is still being read
  slot.grow(bytes);
  slot.taken.holdUp(copies_);
  fill(slot);
  slot.arrived.mark(copies_);
  slot.arrived.holdUp(compute_);
  copyOnDevice(compute_, to, slot.onDevice->data(), bytes);
  slot.taken.mark(compute_);
}

void Staging::copyThrough(Slot& slot, size_t offset, const void* from, size_t bytes) {
  inPieces(bytes, kCopiedBytes, [&](size_t first, size_t size) {
    char* const onHost = static_cast<char*>(slot.onHost->data()) + offset + first;
    std::memcpy(onHost, static_cast<const char*>(from) + first, size);
    check(cudaMemcpyAsync(static_cast<char*>(slot.onDevice->data()) + offset + first, onHost, size,
                          cudaMemcpyHostToDevice, copies_),
          "a copy to the device");
  });
}

std::shared_ptr<void> Staging::start(const void* from, size_t bytes) {
  refuseRecording("a download");
  auto download = std::make_shared<Download>();
  download->onDevice = onDevice_->allocateBytes(static_cast<int64_t>(bytes));
  download->onHost = onHost_->allocateBytes(static_cast<int64_t>(bytes));
  copyOnDevice(compute_, download->onDevice.get(), from, bytes);
  download->taken.mark(compute_);
  download->taken.holdUp(back_);
  copyToHost(back_, download->onHost.get(), download->onDevice.get(), bytes);
  download->arrived.mark(back_);
  return download;
}

const void* Staging::finish(const std::shared_ptr<void>& download) const {
  const auto& started = *static_cast<const Download*>(download.get());
  started.arrived.synchronize();
  return started.onHost.get();
}

void Staging::download(void* to, const void* from, size_t bytes) {
  refuseRecording("a download");
  const std::shared_ptr<void> onHost = onHost_->allocateBytes(static_cast<int64_t>(bytes));
  copyToHost(compute_, onHost.get(), from, bytes);
  compute_.synchronize();
  std::memcpy(to, onHost.get(), bytes);
}

}  // namespace dinomaly::cuda
