// The ways between host and device.
#pragma once

#include <array>
#include <memory>
#include <optional>

#include "backend/buffer_pool.h"
#include "backend/cuda/memory.h"
#include "backend/cuda/stream.h"

namespace dinomaly::cuda {

/// Copies through pinned memory. An upload returns when it has read `from`; on its way to the device it overlaps what
/// the compute stream has been given before. What is given afterwards finds it done.
///
/// An upload ends in memory of the staging's own, on a stream of its own, and is copied from there to its destination
/// in the compute stream. A download that is started goes the same way back. Thus only the compute stream ever touches
/// what operations read and write, and nobody need know whether one still does; the copy on the device runs at its own
/// bandwidth: sixteen pictures take it a few microseconds.
class Staging {
 public:
  explicit Staging(const OwnedStream& compute) : compute_(compute) {}
  ~Staging();
  Staging(const Staging&) = delete;
  Staging& operator=(const Staging&) = delete;

  /// These throw ERR_OUT_OF_MEMORY, and ERR_INTERNAL while the compute stream is recorded: a recording would repeat
  /// them with what the host held once.
  void upload(void* to, const void* from, size_t bytes);
  /// `count` pieces of `bytes` each, one behind the other.
  void uploadEach(void* to, const void* const* from, size_t count, size_t bytes);
  /// A copy to the host of what the compute stream has made by then, which overlaps what the stream is given next;
  /// finish() waits for it alone, and tells where it lies for as long as `download` is kept.
  std::shared_ptr<void> start(const void* from, size_t bytes);
  const void* finish(const std::shared_ptr<void>& download) const;
  /// Waits for all that the compute stream has been given.
  void download(void* to, const void* from, size_t bytes);

 private:
  static constexpr size_t kMostBytes = size_t{16} << 20;      // at once; more goes in several
  static constexpr size_t kCopiedBytes = size_t{1} << 20;     // one is on its way while the host reads the next
  static constexpr size_t kSlots = 4;                         // the pictures of two batches
  static constexpr size_t kMostIdleBytes = size_t{64} << 20;  // of downloads

  struct Slot {
    size_t bytes = 0;
    std::optional<PinnedMemory> onHost;
    std::optional<DeviceMemory> onDevice;
    Event arrived, taken;  // on the device; from there to the destination

    void grow(size_t wanted);
  };

  struct Download {
    ~Download();
    std::shared_ptr<void> onDevice, onHost;
    Event taken, arrived;  // from its source; on the host
  };

  void refuseRecording(const char* what) const;
  /// Takes a slot, in which `fill` is to call copyThrough() for all of `bytes`, and brings them to `to`.
  template <typename Fill>
  void uploadThrough(void* to, size_t bytes, const Fill& fill);
  void copyThrough(Slot& slot, size_t offset, const void* from, size_t bytes);

  const OwnedStream& compute_;
  OwnedStream copies_, back_;
  std::array<Slot, kSlots> slots_;
  size_t next_ = 0;
  // Of downloads.
  std::shared_ptr<BufferPool> onDevice_ = std::make_shared<BufferPool>(kDeviceMemory, kMostIdleBytes);
  std::shared_ptr<BufferPool> onHost_ = std::make_shared<BufferPool>(kPinnedMemory, kMostIdleBytes);
};

}  // namespace dinomaly::cuda
