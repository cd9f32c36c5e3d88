#include "backend/cuda/stream.h"

namespace dinomaly::cuda {

OwnedStream::OwnedStream() {
  check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "making a stream");
}

OwnedStream::~OwnedStream() {
  ignore(cudaStreamDestroy(stream_));
}

void OwnedStream::synchronize() const {
  check(cudaStreamSynchronize(stream_), "waiting for the device");
}

bool OwnedStream::isRecorded() const {
  cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;
  check(cudaStreamIsCapturing(stream_, &status), "asking for a stream's recording");
  return status != cudaStreamCaptureStatusNone;
}

Event::Event() {
  check(cudaEventCreateWithFlags(&event_, cudaEventDisableTiming), "making an event");
}

Event::~Event() {
  ignore(cudaEventDestroy(event_));
}

void Event::mark(Stream stream) {
  check(cudaEventRecord(event_, stream), "marking a point in a stream");
}

void Event::holdUp(Stream stream) const {
  check(cudaStreamWaitEvent(stream, event_, 0), "letting a stream wait for another");
}

void Event::synchronize() const {
  check(cudaEventSynchronize(event_), "waiting for a point in a stream");
}

BesideRecording::BesideRecording() {
  cudaThreadExchangeStreamCaptureMode(&before_);  // fails for no mode that there is
}

BesideRecording::~BesideRecording() {
  cudaThreadExchangeStreamCaptureMode(&before_);
}

}  // namespace dinomaly::cuda
