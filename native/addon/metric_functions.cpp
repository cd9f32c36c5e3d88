#include "addon/metric_functions.h"

#include <string>

#include "addon/pool_job.h"
#include "addon/values.h"
#include "core/error.h"
#include "image/side.h"
#include "metrics/pixels.h"
#include "metrics/ranking.h"

namespace dinomaly {
namespace {

Napi::Object rankingObject(Napi::Env env, const RankingMetrics& metrics) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("auroc", Napi::Number::New(env, metrics.auroc));
  object.Set("ap", Napi::Number::New(env, metrics.averagePrecision));
  object.Set("f1Max", Napi::Number::New(env, metrics.f1Max));
  return object;
}

Napi::Value rankingMetricsCall(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const Napi::Uint8Array labels = toUint8Array(info[0], "labels");
    const auto count = static_cast<int64_t>(labels.ElementLength());
    const Napi::Float32Array scores = toFloat32Array(info[1], "scores", count);
    return PoolJob<RankingMetrics>::start(
        info.Env(), {labels, scores},
        [=, truth = labels.Data(), values = scores.Data()] { return rankingMetrics(truth, values, count); },
        [](Napi::Env env, RankingMetrics&& metrics) -> Napi::Value { return rankingObject(env, metrics); });
  });
}

Napi::Value pixelResult(Napi::Env env, PixelMetrics&& metrics) {
  Napi::Object object = rankingObject(env, metrics.ranking);
  object.Set("aupro", Napi::Number::New(env, metrics.aupro));
  return object;
}

Napi::Value pixelMetricsCall(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] {
    const int64_t width = toInteger(info[2], "width", 1, kLargestSide);
    const int64_t height = toInteger(info[3], "height", 1, kLargestSide);
    const Napi::Uint8Array masks = toUint8Array(info[0], "masks");
    const auto size = static_cast<int64_t>(masks.ElementLength()), images = size / (width * height);
    if (images * width * height != size) {
      throw Error("ERR_INVALID_ARGUMENT", "'masks': expected a multiple of " + std::to_string(width) + " x " +
                                              std::to_string(height) + ", found " + std::to_string(size) + ".");
    }
    const Napi::Float32Array maps = toFloat32Array(info[1], "maps", size);
    return PoolJob<PixelMetrics>::start(
        info.Env(), {masks, maps},
        [=, truth = masks.Data(), values = maps.Data()] { return pixelMetrics(truth, values, images, width, height); },
        pixelResult);
  });
}

}  // namespace

void defineMetricFunctions(Napi::Env env, Napi::Object exports) {
  exports.Set("rankingMetrics", Napi::Function::New<rankingMetricsCall>(env, "rankingMetrics"));
  exports.Set("pixelMetrics", Napi::Function::New<pixelMetricsCall>(env, "pixelMetrics"));
}

}  // namespace dinomaly
