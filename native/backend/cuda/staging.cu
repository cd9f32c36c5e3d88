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
  refuseRecording("an upload");
  inPieces(bytes, kMostBytes, [&](size_t offset, size_t size) {
    uploadPiece(static_cast<char*>(to) + offset, static_cast<const char*>(from) + offset, size);
  });
}

void Staging::uploadPiece(void* to, const void* from, size_t bytes) {
  Slot& slot = slots_[next_];
  next_ = (next_ + 1) % kSlots;
  slot.arrived.synchronize();  // before the host writes anew what is still being read
  slot.grow(bytes);
  std::memcpy(slot.onHost->data(), from, bytes);
  slot.taken.holdUp(copies_);
  check(cudaMemcpyAsync(slot.onDevice->data(), slot.onHost->data(), bytes, cudaMemcpyHostToDevice, copies_),
        "a copy to the device");
  slot.arrived.mark(copies_);
  slot.arrived.holdUp(compute_);
  copyOnDevice(compute_, to, slot.onDevice->data(), bytes);
  slot.taken.mark(compute_);
}

std::shared_ptr<void> Staging::start(const void* from, size_t bytes) {
  refuseRecording("a download");
  auto download = std::make_shared<Download>();
  download->block = downloads_->allocateBytes(static_cast<int64_t>(bytes));
  check(cudaMemcpyAsync(download->block.get(), from, bytes, cudaMemcpyDeviceToHost, compute_), "a copy to the host");
  download->arrived.mark(compute_);
  return download;
}

const void* Staging::finish(const std::shared_ptr<void>& download) const {
  const auto& started = *static_cast<const Download*>(download.get());
  started.arrived.synchronize();
  return started.block.get();
}

void Staging::download(void* to, const void* from, size_t bytes) {
  const std::shared_ptr<void> started = start(from, bytes);
  std::memcpy(to, finish(started), bytes);
}

}  // namespace dinomaly::cuda
