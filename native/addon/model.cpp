#include "addon/model.h"

#include <string>
#include <utility>

#include "addon/cancel_token.h"
#include "addon/model_arguments.h"
#include "addon/pool_job.h"
#include "addon/results.h"
#include "addon/values.h"
#include "backend/library/library_backend.h"
#include "backend/library/open.h"
#include "core/error.h"

namespace dinomaly {
namespace {

constexpr int64_t kDeviceBatchCap = 128;      // a device computes some while others are on their way
constexpr int64_t kLargestBatch = 1 << 20;    // of training
constexpr int64_t kLargestPicture = 1 << 14;  // of a picture that the network gets

Napi::Value nothing(Napi::Env env, Nothing&&) {
  return env.Undefined();
}

Napi::Value boolean(Napi::Env env, bool&& value) {
  return Napi::Boolean::New(env, value);
}

Napi::Value number(Napi::Env env, double&& value) {
  return Napi::Number::New(env, value);
}

Napi::Value text(Napi::Env env, std::string&& value) {
  return Napi::String::New(env, value);
}

Napi::Value scoreResult(Napi::Env env, Score&& score) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("score", Napi::Number::New(env, static_cast<double>(score.score)));
  object.Set("map", toTypedArray(env, std::move(score.map)));
  return object;
}

Napi::Value stepResult(Napi::Env env, std::optional<StepResult>&& step) {
  if (!step) return env.Undefined();
  Napi::Object object = Napi::Object::New(env);
  object.Set("loss", Napi::Number::New(env, step->loss));
  object.Set("gradientNorm", Napi::Number::New(env, step->gradientNorm));
  object.Set("learningRate", Napi::Number::New(env, step->learningRate));
  return object;
}

Napi::Value tensors(Napi::Env env, std::vector<Tensor>&& groups) {
  Napi::Array array = Napi::Array::New(env, groups.size());
  for (uint32_t i = 0; i < groups.size(); ++i) array.Set(i, toJs(env, std::move(groups[i])));
  return array;
}

Napi::Value inferenceResult(Napi::Env env, Inference&& inference) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("encoder", tensors(env, std::move(inference.encoder)));
  object.Set("decoder", tensors(env, std::move(inference.decoder)));
  object.Set("maps", toJs(env, std::move(inference.maps)));
  object.Set("scores", toTypedArray(env, std::move(inference.scores)));
  return object;
}

/// On a device the products' algorithms, and so last bits, depend on how many pictures there are: none together where
/// nothing may depend on chance.
int64_t batchCapOf(const NativeConfig& config) {
  if (!config.device) return kBatchCap;
  return config.device->measure ? kDeviceBatchCap : 1;
}

/// Makes the backend that is asked for, on the session's own thread.
Session::MakeBackend backendOf(const NativeConfig& config) {
  if (!config.device) {
    return [threads = config.threads, precision = config.cpuPrecision] { return makeCpuBackend(threads, precision); };
  }
  return [device = *config.device]() -> std::unique_ptr<Backend> {
    const char* const cublasLt = device.cublasLt.empty() ? nullptr : device.cublasLt.c_str();
    return makeLibraryBackend(openLibrary(device.library),
                              {device.ordinal, device.precision, cublasLt, device.measure});
  };
}

Napi::Value stateResult(Napi::Env env, std::vector<NamedTensor>&& state) {
  Napi::Object object = Napi::Object::New(env);
  for (NamedTensor& entry : state) object.Set(entry.name, toJs(env, std::move(entry.tensor)));
  return object;
}

}  // namespace

Napi::Function Model::define(Napi::Env env) {
  return DefineClass(env, "Model",
                     {
                         InstanceMethod<&Model::call<&Model::load>>("load"),
                         InstanceMethod<&Model::call<&Model::initialise>>("initialise"),
                         InstanceMethod<&Model::call<&Model::parameters>>("parameters"),
                         InstanceMethod<&Model::call<&Model::infer>>("infer"),
                         InstanceMethod<&Model::call<&Model::score>>("score"),
                         InstanceMethod<&Model::call<&Model::beginTraining>>("beginTraining"),
                         InstanceMethod<&Model::call<&Model::endTraining>>("endTraining"),
                         InstanceMethod<&Model::call<&Model::hasFeatures>>("hasFeatures"),
                         InstanceMethod<&Model::call<&Model::readFeatures>>("readFeatures"),
                         InstanceMethod<&Model::call<&Model::trainStep>>("trainStep"),
                         InstanceMethod<&Model::call<&Model::observe>>("observe"),
                         InstanceMethod<&Model::call<&Model::heatmapMax>>("heatmapMax"),
                         InstanceMethod<&Model::call<&Model::save>>("save"),
                         InstanceMethod<&Model::call<&Model::tuning>>("tuning"),
                         InstanceMethod<&Model::call<&Model::addTuning>>("addTuning"),
                         InstanceMethod<&Model::call<&Model::stateDict>>("stateDict"),
                         InstanceMethod<&Model::call<&Model::dispose>>("dispose"),
                     });
}

Model::Model(const Napi::CallbackInfo& info)
    : Napi::ObjectWrap<Model>(info), environment_(Environment::of(info.Env())) {
  guarded(info.Env(), [&] {
    const NativeConfig config = toConfig(info[0]);
    session_ = environment_->open(config.model, backendOf(config), batchCapOf(config));
    return info.Env().Undefined();
  });
}

Model::~Model() {
  if (!live()) return;
  try {
    environment_->retire(session_, [](Napi::Env) {});
  } catch (...) {
    // No memory for the farewell: the session waits for the end of the environment.
  }
}

template <Model::Method method>
Napi::Value Model::call(const Napi::CallbackInfo& info) {
  return guarded(info.Env(), [&] { return (this->*method)(info); });
}

template <typename T, typename Submit>
Napi::Value Model::promise(Napi::Env env, Convert<T> convert, const Submit& submit) {
  if (!live()) {
    const auto deferred = Napi::Promise::Deferred::New(env);
    deferred.Reject(errorOf(env, disposedError()).Value());
    return deferred.Promise();
  }
  auto pending = std::make_unique<Pending<T>>(env, *this, convert);
  Pending<T>* const waiting = pending.get();
  const Napi::Promise promise = pending->promise();
  environment_->expect(std::move(pending), [&](auto send) {
    submit(*session_, [waiting, send](Outcome<T> outcome) {
      waiting->set(std::move(outcome));
      send();
    });
  });
  Ref();  // a model that somebody waits for is not garbage
  return promise;
}

Session& Model::session() const {
  if (!live()) std::rethrow_exception(disposedError());
  return *session_;
}

Napi::Value Model::load(const Napi::CallbackInfo& info) {
  std::vector<TensorSource> sources = toSources(info[0]);
  return promise<Nothing>(info.Env(), nothing, [&](Session& session, Done<Nothing> done) {
    session.load(std::move(sources), std::move(done));
  });
}

Napi::Value Model::initialise(const Napi::CallbackInfo& info) {
  const std::string what = toString(info[0], "what");
  if (what != "all" && what != "trainable") {
    throw Error("ERR_INVALID_ARGUMENT", "'what': expected 'all' or 'trainable', found '" + what + "'.");
  }
  const auto seed = static_cast<uint64_t>(toInteger(info[1], "seed", 0, kLargestInteger));
  return promise<Nothing>(info.Env(), nothing, [&](Session& session, Done<Nothing> done) {
    session.initialise(what == "all", seed, std::move(done));
  });
}

Napi::Value Model::parameters(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const std::vector<ParameterInfo>& parameters = session().parameters();
  Napi::Array array = Napi::Array::New(env, parameters.size());
  for (uint32_t i = 0; i < parameters.size(); ++i) {
    Napi::Object object = Napi::Object::New(env);
    object.Set("name", Napi::String::New(env, parameters[i].name));
    object.Set("shape", toJs(env, parameters[i].shape));
    object.Set("trainable", Napi::Boolean::New(env, parameters[i].trainable));
    array.Set(i, object);
  }
  return array;
}

Napi::Value Model::infer(const Napi::CallbackInfo& info) {
  Tensor images = toImageTensor(info[0], info[1]);
  const CancelToken cancel = CancelTokenObject::from(info[2]);
  return promise<Inference>(info.Env(), inferenceResult, [&](Session& session, Done<Inference> done) {
    session.infer(std::move(images), cancel, std::move(done));
  });
}

Napi::Value Model::score(const Napi::CallbackInfo& info) {
  ScoreRequest request;
  request.side = toInteger(info[1], "side", 1, kLargestPicture);
  request.pixels = copyOf(toUint8Array(info[0], "pixels", request.side * request.side * 3));
  request.cancel = CancelTokenObject::from(info[2]);
  return promise<Score>(info.Env(), scoreResult, [&](Session& session, Done<Score> done) {
    request.done = std::move(done);
    session.score(std::move(request));
  });
}

Napi::Value Model::beginTraining(const Napi::CallbackInfo& info) {
  const Napi::Object options = toObject(info[0], "options");
  const int64_t side = toInteger(options.Get("side"), "options.side", 1, kLargestPicture);
  const int64_t batchSize = toInteger(options.Get("batchSize"), "options.batchSize", 1, kLargestBatch);
  FeatureRoom room;
  room.hostBytes = toInteger(options.Get("cacheBytes"), "options.cacheBytes", 0, kLargestInteger);
  const Napi::Value folder = options.Get("cacheFolder");
  if (!folder.IsUndefined()) room.folder = toPath(folder, "options.cacheFolder");
  return promise<Nothing>(info.Env(), nothing, [&](Session& session, Done<Nothing> done) {
    session.beginTraining(side, batchSize, std::move(room), std::move(done));
  });
}

Napi::Value Model::endTraining(const Napi::CallbackInfo& info) {
  return promise<Nothing>(info.Env(), nothing,
                          [](Session& session, Done<Nothing> done) { session.endTraining(std::move(done)); });
}

Napi::Value Model::hasFeatures(const Napi::CallbackInfo& info) {
  const int64_t id = toInteger(info[0], "id", 0, kLargestInteger);
  return Napi::Boolean::New(info.Env(), session().features()->has(id));
}

Napi::Value Model::readFeatures(const Napi::CallbackInfo& info) {
  const int64_t id = toInteger(info[0], "id", 0, kLargestInteger);
  return PoolJob<bool>::start(
      info.Env(), {}, [features = session().features(), id] { return features->read(id); }, boolean);
}

Napi::Value Model::trainStep(const Napi::CallbackInfo& info) {
  TrainingBatch batch = toBatch(info[0]);
  const StepOptions options = toStepOptions(info[1]);
  const CancelToken cancel = CancelTokenObject::from(info[2]);
  using Result = std::optional<StepResult>;
  return promise<Result>(info.Env(), stepResult, [&](Session& session, Done<Result> done) {
    session.trainStep(std::move(batch), options.iteration, options.training, options.report, cancel, std::move(done));
  });
}

Napi::Value Model::observe(const Napi::CallbackInfo& info) {
  TrainingBatch batch = toBatch(info[0]);
  const CancelToken cancel = CancelTokenObject::from(info[1]);
  return promise<Nothing>(info.Env(), nothing, [&](Session& session, Done<Nothing> done) {
    session.observe(std::move(batch), cancel, std::move(done));
  });
}

Napi::Value Model::heatmapMax(const Napi::CallbackInfo& info) {
  return promise<double>(info.Env(), number,
                         [](Session& session, Done<double> done) { session.heatmapMax(std::move(done)); });
}

Napi::Value Model::save(const Napi::CallbackInfo& info) {
  std::string path = toPath(info[0], "path");
  std::map<std::string, std::string> metadata = toStringMap(info[1], "metadata");
  const bool optimizer = toBoolean(info[2], "optimizer");
  return promise<Nothing>(info.Env(), nothing, [&](Session& session, Done<Nothing> done) {
    session.save(std::move(path), std::move(metadata), optimizer, std::move(done));
  });
}

Napi::Value Model::tuning(const Napi::CallbackInfo& info) {
  return promise<std::string>(info.Env(), text,
                              [](Session& session, Done<std::string> done) { session.tuning(std::move(done)); });
}

Napi::Value Model::addTuning(const Napi::CallbackInfo& info) {
  std::string added = toString(info[0], "text");
  return promise<Nothing>(info.Env(), nothing, [&](Session& session, Done<Nothing> done) {
    session.addTuning(std::move(added), std::move(done));
  });
}

Napi::Value Model::stateDict(const Napi::CallbackInfo& info) {
  using State = std::vector<NamedTensor>;
  return promise<State>(info.Env(), stateResult,
                        [](Session& session, Done<State> done) { session.stateDict(std::move(done)); });
}

Napi::Value Model::dispose(const Napi::CallbackInfo& info) {
  if (disposal_.IsEmpty()) {
    const auto deferred = Napi::Promise::Deferred::New(info.Env());
    const auto resolve = [deferred](Napi::Env env) { deferred.Resolve(env.Undefined()); };
    if (live()) {
      environment_->retire(session_, resolve);
    } else {
      resolve(info.Env());
    }
    session_ = nullptr;
    disposal_ = Napi::Persistent(deferred.Promise());
  }
  return disposal_.Value();
}

}  // namespace dinomaly
