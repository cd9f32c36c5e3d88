// Streams and events, and what a thread may do while it records a stream.
#pragma once

#include "backend/cuda/launch.h"

namespace dinomaly::cuda {

/// A stream that waits for no other.
class OwnedStream {
 public:
  OwnedStream();
  ~OwnedStream();
  OwnedStream(const OwnedStream&) = delete;
  OwnedStream& operator=(const OwnedStream&) = delete;
  operator Stream() const { return stream_; }

  /// Throws while the stream is recorded, which ends the recording.
  void synchronize() const;
  bool isRecorded() const;

 private:
  Stream stream_{};
};

/// A point in a stream that others wait for. Before the first mark() there is nothing to wait for.
class Event {
 public:
  Event();
  ~Event();
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;

  /// What `stream` has been given so far.
  void mark(Stream stream);
  /// What `stream` is given from now on waits for it.
  void holdUp(Stream stream) const;
  void synchronize() const;

 private:
  cudaEvent_t event_{};
};

/// Lets this thread make calls that no stream sees, such as cudaMalloc, while it records: what they do is not meant to
/// be repeated.
class BesideRecording {
 public:
  BesideRecording();
  ~BesideRecording();
  BesideRecording(const BesideRecording&) = delete;
  BesideRecording& operator=(const BesideRecording&) = delete;

 private:
  cudaStreamCaptureMode before_ = cudaStreamCaptureModeRelaxed;
};

}  // namespace dinomaly::cuda
