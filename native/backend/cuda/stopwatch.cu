#include "backend/cuda/stopwatch.h"

#if !defined(__CUDACC__)
#include "backend/cuda/emulated/cublaslt.h"
#endif

namespace dinomaly::cuda {

#if defined(__CUDACC__)

Stopwatch::Stopwatch(size_t marks) {
  for (size_t i = 0; i < marks; ++i) {
    cudaEvent_t event = nullptr;
    check(cudaEventCreate(&event), "making an event");
    events_.emplace_back(event);
  }
}

void Stopwatch::mark(Stream stream) {
  check(cudaEventRecord(events_.at(marked_).get(), stream), "an event");
  ++marked_;
}

std::vector<float> Stopwatch::laps() const {
  std::vector<float> laps;
  if (marked_ > 0) check(cudaEventSynchronize(events_[marked_ - 1].get()), "waiting for the device");
  for (size_t i = 1; i < marked_; ++i) {
    check(cudaEventElapsedTime(&laps.emplace_back(), events_[i - 1].get(), events_[i].get()), "reading a time");
  }
  return laps;
}

#else

Stopwatch::Stopwatch(size_t marks) {
  times_.reserve(marks);
}

void Stopwatch::mark(Stream) {
  times_.push_back(emulated::cublasLtLog().time);
}

std::vector<float> Stopwatch::laps() const {
  std::vector<float> laps;
  for (size_t i = 1; i < times_.size(); ++i) laps.push_back(static_cast<float>(times_[i] - times_[i - 1]));
  return laps;
}

#endif

}  // namespace dinomaly::cuda
