#include "backend/cpu/cpu_backend.h"
#include "check/device.h"
#include "core/error.h"

namespace dinomaly::check {
namespace {

/// int8 in the linear layers of one kind alone, such as encoder.fc2 or, of one block, encoder.0.fc2, whatever the
/// network allows: what does it cost?
class OneKind : public CpuBackend {
 public:
  explicit OneKind(std::string kind) : CpuBackend(kThreads, CpuPrecision::int8), kind_(std::move(kind)) {}

  void patchesFromPixels(float* y, const uint8_t* pixels, int64_t images, int64_t h, int64_t w, int64_t p) override {
    begin("encoder", {"patches"});
    CpuBackend::patchesFromPixels(y, pixels, images, h, w, p);
  }
  /// Of the encoder's outputs, so that the bottleneck comes next.
  void weightedSum(float* y, const float* const* xs, const float* weights, int64_t count, int64_t size) override {
    begin("decoder", {"bottleneck.fc1", "bottleneck.fc2"});
    CpuBackend::weightedSum(y, xs, weights, count, size);
  }
  void linear(float* y, const float* x, const float* w, int64_t rows, int64_t in, int64_t out,
              const FloatEpilogue& given) override {
    FloatEpilogue epilogue = given;
    epilogue.mayRound = isWanted(count_++);
    CpuBackend::linear(y, x, w, rows, in, out, epilogue);
  }

 private:
  static constexpr int kThreads = 2;

  /// Linear layers to come: these, and then those of blocks.
  void begin(std::string blocks, std::vector<std::string> first) {
    blocks_ = std::move(blocks);
    first_ = std::move(first);
    count_ = 0;
  }
  bool isWanted(size_t place) const {
    static constexpr const char* kOfBlock[] = {".qkv", ".proj", ".fc1", ".fc2"};
    if (place < first_.size()) return kind_ == first_[place];
    const size_t block = (place - first_.size()) / 4;
    const std::string layer = kOfBlock[(place - first_.size()) % 4];
    return kind_ == blocks_ + layer || kind_ == blocks_ + "." + std::to_string(block) + layer;
  }

  const std::string kind_;
  std::string blocks_;
  std::vector<std::string> first_;
  size_t count_ = 0;
};

}  // namespace

std::unique_ptr<Backend> makeDevice(const std::string& precision) {
  const std::string oneKind = "int8:";
  if (precision == "f32") return makeCpuBackend(0);
  if (precision == "int8") return makeCpuBackend(0, CpuPrecision::int8);
  if (precision.rfind(oneKind, 0) == 0) return std::make_unique<OneKind>(precision.substr(oneKind.size()));
  throw Error("ERR_INVALID_ARGUMENT", "--precision: expected f32, int8 or int8:<kind of layer>, found " + precision);
}

int64_t deviceBytesUsed() {
  return 0;
}

std::string deviceText() {
  return "CPU, oneDNN " + oneDnnVersion();
}

}  // namespace dinomaly::check
