// JavaScript's Model: a session behind promises. What its methods mean is in lib/addon.ts.
#pragma once

#include <napi.h>

#include <memory>

#include "addon/environment.h"
#include "addon/pending.h"

namespace dinomaly {

class Model : public Napi::ObjectWrap<Model> {
 public:
  static Napi::Function define(Napi::Env env);
  explicit Model(const Napi::CallbackInfo& info);
  /// Garbage collection of a model that was not disposed of.
  ~Model() override;

 private:
  using Method = Napi::Value (Model::*)(const Napi::CallbackInfo&);
  /// The method, its exceptions thrown in JavaScript.
  template <Method method>
  Napi::Value call(const Napi::CallbackInfo& info);

  Napi::Value load(const Napi::CallbackInfo& info);
  Napi::Value initialise(const Napi::CallbackInfo& info);
  Napi::Value parameters(const Napi::CallbackInfo& info);
  Napi::Value infer(const Napi::CallbackInfo& info);
  Napi::Value score(const Napi::CallbackInfo& info);
  Napi::Value beginTraining(const Napi::CallbackInfo& info);
  Napi::Value endTraining(const Napi::CallbackInfo& info);
  Napi::Value hasFeatures(const Napi::CallbackInfo& info);
  Napi::Value readFeatures(const Napi::CallbackInfo& info);
  Napi::Value trainStep(const Napi::CallbackInfo& info);
  Napi::Value observe(const Napi::CallbackInfo& info);
  Napi::Value heatmapMax(const Napi::CallbackInfo& info);
  Napi::Value save(const Napi::CallbackInfo& info);
  Napi::Value tuning(const Napi::CallbackInfo& info);
  Napi::Value addTuning(const Napi::CallbackInfo& info);
  Napi::Value stateDict(const Napi::CallbackInfo& info);
  Napi::Value dispose(const Napi::CallbackInfo& info);

  /// A promise for what `submit` makes the session call `Done<T>` with; rejected when there is no session any more.
  template <typename T, typename Submit>
  Napi::Value promise(Napi::Env env, Convert<T> convert, const Submit& submit);
  bool live() const { return session_ != nullptr && !environment_->closed(); }
  /// Throws ERR_DISPOSED when there is none.
  Session& session() const;

  std::shared_ptr<Environment> environment_;
  Session* session_ = nullptr;  // the environment's; null once disposed of
  Napi::Reference<Napi::Promise> disposal_;
};

}  // namespace dinomaly
