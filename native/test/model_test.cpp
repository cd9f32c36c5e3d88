// The whole network against the oracle's numbers (test/golden/tiny, test/golden/real; see their README).
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "model/dinomaly.h"
#include "tiny_model.h"

using namespace dinomaly;

namespace {

const std::string kGolden = std::string(DINOMALY_ROOT) + "/test/golden/";

std::vector<float> download(Dinomaly& model, const Buffer& buffer, int64_t size) {
  std::vector<float> values(static_cast<size_t>(size));
  model.backend().download(values.data(), buffer.get(), size);
  return values;
}

float largest(const std::vector<float>& values) {
  float top = 0;
  for (float v : values) top = std::max(top, std::abs(v));
  return top;
}

/// Largest difference, relative to the largest expected value.
float difference(const std::vector<float>& found, const std::vector<float>& expected) {
  REQUIRE(found.size() == expected.size());
  float top = 0;
  for (size_t i = 0; i < found.size(); ++i) top = std::max(top, std::abs(found[i] - expected[i]));
  return top / largest(expected);
}

}  // namespace

TEST_CASE("the network makes of golden inputs what the oracle makes") {
  const auto expected = readSafetensors(kGolden + "tiny/expected.safetensors");
  const auto model = tinyModel({{0, 1}, {2, 3}});
  for (const std::string side : {"56", "70", "84"}) {
    CAPTURE(side);
    const auto of = [&](const std::string& key) -> const std::vector<float>& {
      return expected.at(side + "." + key).values;
    };
    const int64_t pixels = std::stoll(side), patches = pixels / 14 * (pixels / 14), dim = 128;
    Images images;
    images.tensor = of("input").data();
    images.count = 2;
    images.height = images.width = pixels;
    CHECK(difference(download(*model, model->tokens(images), 2 * (5 + patches) * dim), of("tokens")) < 1e-4f);
    const Features features = model->encode(images, {});
    const Decoded decoded = model->decode(features, {});
    std::vector<float> mean(of("target.1").size());
    for (const char* target : {"target.1", "target.2", "target.3", "target.4"}) {
      for (size_t i = 0; i < mean.size(); ++i) mean[i] += of(target)[i] / 4;
    }
    CHECK(difference(download(*model, features.mean, static_cast<int64_t>(mean.size())), mean) < 1e-4f);
    for (size_t g = 0; g < 2; ++g) {
      const std::string index = std::to_string(g);
      CHECK(difference(download(*model, features.groups[g], 2 * patches * dim), of("encoder." + index)) < 1e-4f);
      CHECK(difference(download(*model, decoded.groups[g], 2 * patches * dim), of("decoder." + index)) < 1e-4f);
    }
    const Maps maps = model->maps(features, decoded, pixels, pixels);
    CHECK(difference(maps.maps, of("maps")) < 1e-3f);  // stored as float16
    CHECK(difference(maps.scores, of("scores")) < 1e-4f);
  }
}

TEST_CASE("each target layer is the oracle's") {
  const auto expected = readSafetensors(kGolden + "tiny/expected.safetensors");
  const auto model = tinyModel({{0}, {1}, {2}, {3}});
  Images images;
  images.tensor = expected.at("70.input").values.data();
  images.count = 2;
  images.height = images.width = 70;
  const Features features = model->encode(images, {});
  for (size_t g = 0; g < 4; ++g) {
    const std::vector<float>& target = expected.at("70.target." + std::to_string(g + 1)).values;
    std::vector<float> patches;  // without class token and registers
    for (size_t b = 0; b < 2; ++b) {
      patches.insert(patches.end(), target.begin() + static_cast<long>((b * 30 + 5) * 128),
                     target.begin() + static_cast<long>((b + 1) * 30 * 128));
    }
    CHECK(difference(download(*model, features.groups[g], 2 * 25 * 128), patches) < 1e-4f);
  }
}

TEST_CASE("training steps are the oracle's") {
  const nlohmann::json all = nlohmann::json::parse(std::ifstream(kGolden + "tiny/training.json"));
  const auto batches = readSafetensors(kGolden + "tiny/training_batches.safetensors").at("batches");
  const int64_t images = batches.shape[1], side = batches.shape[3], size = images * 3 * side * side;
  for (const auto& [variant, golden] : all["training"].items()) {
    CAPTURE(variant);
    const auto groups = golden["config"].value("groups", std::vector<std::vector<int64_t>>{{0, 1}, {2, 3}});
    const auto model = tinyModel(groups);
    TrainingOptions options;
    options.schedule.iterations = golden["schedule"]["total"];
    options.schedule.warmup = golden["schedule"]["lr_warmup"];
    options.schedule.discardWarmup = golden["schedule"]["discard_warmup"];
    options.clipNorm = golden["schedule"]["clip_norm"];
    model->beginTraining();
    for (const auto& step : golden["steps"]) {
      const int64_t it = step["iteration"];
      CAPTURE(it);
      Images batch;
      batch.tensor = batches.values.data() + it * size;
      batch.count = images;
      batch.height = batch.width = side;
      const StepResult found = model->trainStep(model->encode(batch, {}), it, options, {});
      CHECK(found.loss == doctest::Approx(step["loss"].get<double>()).epsilon(1e-4));
      CHECK(found.gradientNorm == doctest::Approx(step["gradient_norm"].get<double>()).epsilon(1e-3));
      CHECK(found.learningRate == doctest::Approx(step["learning_rate"].get<double>()).epsilon(1e-9));
      CHECK(options.schedule.discardRateAt(it) == doctest::Approx(step["discard_rate"].get<double>()).epsilon(1e-9));
    }
    const auto compare = [&](const char* kind, const std::string& name, const std::vector<float>& found) {
      const nlohmann::json& sample = golden[kind][name];
      CAPTURE(kind);
      CAPTURE(name);
      const float top = largest(found);
      double squares = 0;
      for (float v : found) squares += static_cast<double>(v) * v;
      CHECK(std::sqrt(squares) == doctest::Approx(sample["norm"].get<double>()).epsilon(1e-3));
      for (size_t i = 0; i < sample["indices"].size(); ++i) {
        const float value = found[sample["indices"][i].get<size_t>()], want = sample["values"][i].get<float>();
        CHECK(std::abs(value - want) <= 1e-3f * top);
      }
    };
    for (const ParameterInfo& p : model->parameters()) {
      if (!p.trainable) continue;
      std::vector<float> values(static_cast<size_t>(p.size()));
      model->getParameter(p.name, values.data());
      compare("parameters_after", p.name, values);
      compare("last_gradients_before_clipping", p.name, model->gradient(p.name));
    }
  }
}
