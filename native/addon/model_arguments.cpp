#include "addon/model_arguments.h"

#include <string>

#include "addon/values.h"
#include "core/error.h"

namespace dinomaly {
namespace {

// Bounds that keep products of sizes within 64 bits; ModelConfig::validate knows what makes sense.
constexpr int64_t kLargestSize = 1 << 16;
constexpr uint32_t kMostLayers = 1024, kMostElements = 1 << 20;

TensorPart toPart(const Napi::Object& object, const std::string& name) {
  TensorPart part;
  part.path = toPath(object.Get("path"), name + ".path");
  part.offset = toInteger(object.Get("offset"), name + ".offset", 0, kLargestInteger);
  part.byteLength = toInteger(object.Get("byteLength"), name + ".byteLength", 0, kLargestInteger);
  const std::string type = toString(object.Get("dtype"), name + ".dtype");
  if (type == "F32") {
    part.type = StoredType::f32;
  } else if (type == "F16") {
    part.type = StoredType::f16;
  } else if (type == "BF16") {
    part.type = StoredType::bf16;
  } else {
    throw Error("ERR_INVALID_ARGUMENT", "'" + name + ".dtype': expected F32, F16 or BF16, found '" + type + "'.");
  }
  return part;
}

library::Precision toPrecision(Napi::Value value) {
  const std::string precision = toString(value, "precision");
  if (precision == "f32") return library::Precision::f32;
  if (precision == "tf32") return library::Precision::tf32;
  if (precision == "bf16") return library::Precision::bf16;
  throw Error("ERR_INVALID_ARGUMENT", "'precision': expected f32, tf32 or bf16, found '" + precision + "'.");
}

CpuPrecision toCpuPrecision(Napi::Value value) {
  const std::string precision = toString(value, "precision");
  if (precision == "f32") return CpuPrecision::f32;
  if (precision == "int8") return CpuPrecision::int8;
  throw Error("ERR_INVALID_ARGUMENT", "'precision': expected f32 or int8, found '" + precision + "'.");
}

std::optional<LibraryDevice> toDevice(const Napi::Object& config) {
  const std::string device = toString(config.Get("device"), "device");
  if (device == "cpu") return std::nullopt;
  if (device != "cuda") {
    throw Error("ERR_INVALID_ARGUMENT", "'device': expected 'cpu' or 'cuda', found '" + device + "'.");
  }
  const Napi::Value cublasLt = config.Get("cublasLt");
  return LibraryDevice{
      toPath(config.Get("library"), "library"),
      cublasLt.IsNull() ? "" : toPath(cublasLt, "cublasLt"),
      static_cast<int32_t>(toInteger(config.Get("ordinal"), "ordinal", 0, library::kMostDevices - 1)),
      toPrecision(config.Get("precision")),
      toBoolean(config.Get("measure"), "measure"),
  };
}

}  // namespace

NativeConfig toConfig(Napi::Value value) {
  const Napi::Object object = toObject(value, "config");
  const Napi::Object given = toObject(object.Get("encoder"), "encoder");
  NativeConfig config;
  EncoderConfig& encoder = config.model.encoder;
  const auto size = [&given](const char* field, int64_t least) {
    return toInteger(given.Get(field), std::string("encoder.") + field, least, kLargestSize);
  };
  encoder.dim = size("dim", 1);
  encoder.heads = size("heads", 1);
  encoder.depth = size("depth", 1);
  encoder.patch = size("patch", 1);
  encoder.grid = size("grid", 1);
  encoder.registers = size("registers", 0);
  encoder.layerScale = toBoolean(given.Get("layerScale"), "encoder.layerScale");
  encoder.targets = toIntegers(given.Get("targets"), "encoder.targets", 0, kMostLayers);

  config.model.decoderDepth = toInteger(object.Get("decoderDepth"), "decoderDepth", 1, kLargestSize);
  config.model.groups.clear();
  const Napi::Array groups = toArray(object.Get("groups"), "groups", kMostLayers);
  for (uint32_t i = 0; i < groups.Length(); ++i) {
    config.model.groups.push_back(toIntegers(groups[i], "groups[" + std::to_string(i) + "]", 0, kMostLayers));
  }
  config.model.dropout = static_cast<float>(toNumber(object.Get("dropout"), "dropout", 0, 1));
  config.device = toDevice(object);
  if (!config.device) config.cpuPrecision = toCpuPrecision(object.Get("precision"));
  config.threads = static_cast<int>(toInteger(object.Get("threads"), "threads", 0, 1024));
  config.model.validate();
  return config;
}

std::vector<TensorSource> toSources(Napi::Value value) {
  const Napi::Array array = toArray(value, "sources", kMostElements);
  std::vector<TensorSource> sources;
  for (uint32_t i = 0; i < array.Length(); ++i) {
    const std::string name = "sources[" + std::to_string(i) + "]";
    const Napi::Object object = toObject(array[i], name);
    TensorSource source;
    source.name = toString(object.Get("name"), name + ".name");
    source.shape = toIntegers(object.Get("shape"), name + ".shape", 0, 16);
    const Napi::Array parts = toArray(object.Get("parts"), name + ".parts", kMostElements);
    for (uint32_t j = 0; j < parts.Length(); ++j) {
      const std::string part = name + ".parts[" + std::to_string(j) + "]";
      source.parts.push_back(toPart(toObject(parts[j], part), part));
    }
    sources.push_back(std::move(source));
  }
  return sources;
}

TrainingBatch toBatch(Napi::Value value) {
  const Napi::Object object = toObject(value, "batch");
  TrainingBatch batch;
  const Napi::Value pictures = object.Get("pictures");
  if (pictures.IsUndefined()) {
    batch.tensor = toImageTensor(object.Get("data"), object.Get("shape"));
    return batch;
  }
  const Napi::Array array = toArray(pictures, "pictures", kMostElements);
  if (array.Length() == 0) throw Error("ERR_INVALID_ARGUMENT", "'pictures': expected at least one, found none.");
  for (uint32_t i = 0; i < array.Length(); ++i) {
    const std::string name = "pictures[" + std::to_string(i) + "]";
    const Napi::Object given = toObject(array[i], name);
    TrainingPicture picture;
    picture.id = toInteger(given.Get("id"), name + ".id", 0, kLargestInteger);
    const Napi::Value pixels = given.Get("pixels");
    if (!pixels.IsUndefined()) picture.pixels = copyOf(toUint8Array(pixels, name + ".pixels"));
    batch.pictures.push_back(std::move(picture));
  }
  return batch;
}

StepOptions toStepOptions(Napi::Value value) {
  constexpr int64_t most = std::numeric_limits<uint32_t>::max();  // the iteration is a word of dropout's counter
  const Napi::Object object = toObject(value, "options");
  const auto integer = [&object](const char* field, int64_t least, int64_t largest) {
    return toInteger(object.Get(field), std::string("options.") + field, least, largest);
  };
  const auto number = [&object](const char* field, double largest) {
    return toNumber(object.Get(field), std::string("options.") + field, 0, largest);
  };
  StepOptions options;
  options.iteration = integer("iteration", 0, most);
  options.report = toBoolean(object.Get("report"), "options.report");
  Schedule& schedule = options.training.schedule;
  schedule.iterations = integer("iterations", 1, most);
  schedule.learningRate = number("learningRate", std::numeric_limits<double>::max());
  schedule.finalLearningRate = number("finalLearningRate", std::numeric_limits<double>::max());
  schedule.warmup = integer("warmup", 0, most);
  schedule.discardRate = number("discardRate", 1);
  schedule.discardWarmup = integer("discardWarmup", 0, most);
  options.training.clipNorm = number("clipNorm", std::numeric_limits<double>::max());
  options.training.weightDecay = number("weightDecay", std::numeric_limits<double>::max());
  options.training.seed = static_cast<uint64_t>(integer("seed", 0, kLargestInteger));
  return options;
}

}  // namespace dinomaly
