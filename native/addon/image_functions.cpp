#include "addon/image_functions.h"

#include <vector>

#include "addon/pool_job.h"
#include "addon/results.h"
#include "addon/values.h"
#include "core/map_side.h"
#include "image/heatmap.h"
#include "image/prepare.h"
#include "image/side.h"

namespace dinomaly {
namespace {

struct Size {
  int64_t width, height;
};

Size toSize(const Napi::CallbackInfo& info, size_t first) {
  return {toInteger(info[first], "width", 1, kLargestSide), toInteger(info[first + 1], "height", 1, kLargestSide)};
}

Napi::Value prepare(const Napi::CallbackInfo& info, int64_t channels, decltype(&prepareImage) function) {
  const Size size = toSize(info, 1);
  const int64_t resize = toInteger(info[3], "resize", 1, kLargestSide), crop = toInteger(info[4], "crop", 1, resize);
  const Napi::Uint8Array pixels = toUint8Array(info[0], "pixels", size.width * size.height * channels);
  return PoolJob<std::vector<uint8_t>>::start(
      info.Env(), {pixels}, [=, data = pixels.Data()] { return function(data, size.width, size.height, resize, crop); },
      toTypedArray);
}

Napi::Value prepareImageCall(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] { return prepare(info, 3, prepareImage); });
}

Napi::Value prepareMaskCall(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] { return prepare(info, 1, prepareMask); });
}

Napi::Value mapToOriginalCall(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const Napi::Float32Array map = toFloat32Array(info[0], "map", kMapPixels);
    const Size size = toSize(info, 1);
    const int64_t resize = toInteger(info[3], "resize", 1, kLargestSide), crop = toInteger(info[4], "crop", 1, resize);
    return PoolJob<std::vector<float>>::start(
        info.Env(), {map},
        [=, data = map.Data()] { return mapToOriginal(data, size.width, size.height, resize, crop); }, toTypedArray);
  });
}

Napi::Value renderHeatmapCall(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const Size size = toSize(info, 2);
    const Napi::Uint8Array pixels = toUint8Array(info[0], "pixels", size.width * size.height * 3);
    const Napi::Float32Array map = toFloat32Array(info[1], "map", size.width * size.height);
    const auto max = static_cast<float>(toNumber(info[4], "max"));
    return PoolJob<std::vector<uint8_t>>::start(
        info.Env(), {pixels, map},
        [=, picture = pixels.Data(), values = map.Data()] {
          return renderHeatmap(picture, values, size.width, size.height, max);
        },
        toTypedArray);
  });
}

Napi::Value releaseCall(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const Napi::Uint8Array pixels = toUint8Array(info[0], "pixels");
    Napi::ArrayBuffer memory = pixels.ArrayBuffer();
    // Of memory that others have a part in, such as Node's pool of small buffers, nothing is freed.
    if (pixels.ByteLength() == memory.ByteLength()) memory.Detach();
    return info.Env().Undefined();
  });
}

}  // namespace

void defineImageFunctions(Napi::Env env, Napi::Object exports) {
  exports.Set("prepareImage", Napi::Function::New<prepareImageCall>(env, "prepareImage"));
  exports.Set("prepareMask", Napi::Function::New<prepareMaskCall>(env, "prepareMask"));
  exports.Set("mapToOriginal", Napi::Function::New<mapToOriginalCall>(env, "mapToOriginal"));
  exports.Set("release", Napi::Function::New<releaseCall>(env, "release"));
  exports.Set("renderHeatmap", Napi::Function::New<renderHeatmapCall>(env, "renderHeatmap"));
}

}  // namespace dinomaly
