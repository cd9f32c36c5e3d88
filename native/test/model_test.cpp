// The whole network against the oracle's numbers (test/golden/tiny, test/golden/real; see their README).
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <functional>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>

#include "backend/cuda/cuda_backend.h"
#include "error_code.h"
#include "model/dinomaly.h"
#include "tiny_model.h"

using namespace dinomaly;

namespace {

const std::string kGolden = std::string(DINOMALY_ROOT) + "/test/golden/";

std::vector<float> download(Dinomaly& model, const Activations& buffer, int64_t size) {
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

/// What the whole network is run on. CUDA's backend runs on the emulated device.
struct Device {
  const char* name;
  std::function<std::unique_ptr<Backend>()> make;
  float features, scores;  // largest difference allowed: relative to the largest value, and of scores in absolute terms
};
const Device kCpu = {"CPU", [] { return makeCpuBackend(2); }, 1e-4f, 1e-4f};
const Device kCuda = {"CUDA, f32", [] { return makeCudaBackend(cuda::Precision::f32); }, 1e-4f, 1e-4f};
const Device kCudaTf32 = {"CUDA, TF32", [] { return makeCudaBackend(cuda::Precision::tf32); }, 5e-3f, 1e-3f};
const Device kCudaBf16 = {"CUDA, bf16", [] { return makeCudaBackend(cuda::Precision::bf16); }, 3e-2f, 5e-3f};

StepResult trainStep(Dinomaly& model, const Images& batch, int64_t iteration, const TrainingOptions& options = {}) {
  const Features features = model.encode(batch, {});
  model.trainStep({&features}, iteration, options, {});
  return model.stepResult();
}

void checkGoldenInputs(const Device& device) {
  CAPTURE(device.name);
  const auto expected = readSafetensors(kGolden + "tiny/expected.safetensors");
  const auto model = tinyModel({{0, 1}, {2, 3}}, 0, device.make());
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
    CHECK(difference(download(*model, model->tokens(images), 2 * (5 + patches) * dim), of("tokens")) < device.features);
    const Features features = model->encode(images, {});
    const Decoded decoded = model->decode(features, {});
    std::vector<float> mean(of("target.1").size());
    for (const char* target : {"target.1", "target.2", "target.3", "target.4"}) {
      for (size_t i = 0; i < mean.size(); ++i) mean[i] += of(target)[i] / 4;
    }
    CHECK(difference(download(*model, features.mean, static_cast<int64_t>(mean.size())), mean) < device.features);
    for (size_t g = 0; g < 2; ++g) {
      const std::string index = std::to_string(g);
      CHECK(difference(download(*model, features.groups[g], 2 * patches * dim), of("encoder." + index)) <
            device.features);
      CHECK(difference(download(*model, decoded.groups[g], 2 * patches * dim), of("decoder." + index)) <
            device.features);
    }
    const Maps maps = model->maps(features, decoded, pixels, pixels);
    CHECK(difference(maps.maps, of("maps")) < std::max(1e-3f, device.features));  // stored as float16
    CHECK(difference(maps.scores, of("scores")) < device.features);
    for (size_t i = 0; i < 2; ++i) CHECK(std::abs(maps.scores[i] - of("scores")[i]) < device.scores);
  }
}

void checkGoldenTraining(const Device& device) {
  CAPTURE(device.name);
  const nlohmann::json all = nlohmann::json::parse(std::ifstream(kGolden + "tiny/training.json"));
  const auto batches = readSafetensors(kGolden + "tiny/training_batches.safetensors").at("batches");
  const int64_t images = batches.shape[1], side = batches.shape[3], size = images * 3 * side * side;
  for (const auto& [variant, golden] : all["training"].items()) {
    CAPTURE(variant);
    const auto groups = golden["config"].value("groups", std::vector<std::vector<int64_t>>{{0, 1}, {2, 3}});
    const auto model = tinyModel(groups, 0, device.make());
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
      const StepResult found = trainStep(*model, batch, it, options);
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

}  // namespace

TEST_CASE("the network makes of golden inputs what the oracle makes") {
  for (const Device& device : {kCpu, kCuda, kCudaTf32, kCudaBf16}) checkGoldenInputs(device);
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
  for (const Device& device : {kCpu, kCuda}) checkGoldenTraining(device);
}

TEST_CASE("pictures need not be square") {
  // 56 x 84 pixels, x[i] = sin(0.37 i); the oracle's numbers with DINOv2's positions for a grid of 4 x 6.
  const auto model = tinyModel({{0, 1}, {2, 3}});
  std::vector<float> x(3 * 56 * 84);
  for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(std::sin(0.37 * static_cast<double>(i)));
  Images images;
  images.tensor = x.data();
  images.count = 1;
  images.height = 56;
  images.width = 84;
  const auto check = [](const std::vector<float>& found, const std::vector<std::pair<size_t, float>>& expected) {
    for (const auto& [index, value] : expected) CHECK(std::abs(found.at(index) - value) <= 1e-4f * largest(found));
  };
  check(download(*model, model->tokens(images), 29 * 128), {{0, -0.065094f},
                                                            {742, 2.120143f},
                                                            {1484, -1.487396f},
                                                            {2226, -1.093221f},
                                                            {2968, -2.302004f},
                                                            {3711, 0.896372f}});
  const Features features = model->encode(images, {});
  const Decoded decoded = model->decode(features, {});
  check(download(*model, decoded.groups[0], 24 * 128), {{0, 0.89639f}, {1228, 5.335187f}, {3071, 2.842649f}});
  const Maps maps = model->maps(features, decoded, 56, 84);
  check(maps.maps, {{0, 0.347432f}, {9362, 1.01654f}, {28086, 0.996704f}, {46810, 0.996467f}, {65535, 0.373907f}});
  CHECK(maps.scores[0] == doctest::Approx(1.051216959953308).epsilon(1e-4));
}

TEST_CASE("a picture gives the same bits alone and among others, whatever the number of threads") {
  const auto expected = readSafetensors(kGolden + "tiny/expected.safetensors");
  const std::vector<float>& input = expected.at("70.input").values;
  const auto model = tinyModel({{0, 1}, {2, 3}}, 0, 3), other = tinyModel({{0, 1}, {2, 3}}, 0, 1);
  Images both;
  both.tensor = input.data();
  both.count = 2;
  both.height = both.width = 70;
  const Features together = model->encode(both, {});
  const Maps maps = model->maps(together, model->decode(together, {}), 70, 70);
  for (int64_t i = 0; i < 2; ++i) {
    const Features alone = other->encode(both.slice(i, 1), {});
    const Maps single = other->maps(alone, other->decode(alone, {}), 70, 70);
    CHECK(std::equal(single.maps.begin(), single.maps.end(), maps.maps.begin() + i * 65536));
    CHECK(single.scores[0] == maps.scores[static_cast<size_t>(i)]);
  }
}

TEST_CASE("training gives the same bits on any number of threads") {
  const auto batches = readSafetensors(kGolden + "tiny/training_batches.safetensors").at("batches");
  std::vector<std::vector<float>> ends;
  for (int threads : {1, 2, 3}) {
    const auto model = tinyModel({{0, 1}, {2, 3}}, 0.2f, threads);
    model->beginTraining();
    for (int64_t it = 0; it < 2; ++it) {
      Images batch;
      batch.tensor = batches.values.data() + it * 4 * 3 * 56 * 56;
      batch.count = 4;
      batch.height = batch.width = 56;
      TrainingOptions options;
      options.schedule.warmup = 1;
      trainStep(*model, batch, it, options);
    }
    std::vector<float>& all = ends.emplace_back();
    for (const ParameterInfo& p : model->parameters()) {
      const size_t at = all.size();
      all.resize(at + static_cast<size_t>(p.size()));
      model->getParameter(p.name, all.data() + at);
    }
  }
  CHECK(ends[0] == ends[1]);
  CHECK(ends[0] == ends[2]);
}

TEST_CASE("a step that fails leaves everything as it was") {
  const auto model = tinyModel({{0, 1}, {2, 3}});
  std::vector<float> x(4 * 3 * 56 * 56, 0.25f);
  Images batch;
  batch.tensor = x.data();
  batch.count = 4;
  batch.height = batch.width = 56;
  const auto weights = [&] {
    std::vector<float> values(512 * 128);
    model->getParameter("bottleneck.0.fc1.weight", values.data());
    return values;
  };
  const std::vector<float> before = weights();
  model->beginTraining();
  x[5] = std::numeric_limits<float>::quiet_NaN();
  CHECK(errorCode([&] { trainStep(*model, batch, 1); }) == "ERR_LOSS_NOT_FINITE");
  CancelToken cancelled;
  cancelled.cancel();
  x[5] = 0;
  const Features features = model->encode(batch, {});
  CHECK_THROWS_AS(model->trainStep({&features}, 1, {}, cancelled), Cancelled);
  CHECK(weights() == before);
  model->trainStep({&features}, 1, {}, {});
  model->stepResult();
  CHECK(weights() != before);
}

TEST_CASE("a decoder block that no group asks for is neither trained nor decayed") {
  const auto model = tinyModel({{2}, {3}});  // targets 2 and 3 are answered by blocks 1 and 0
  std::vector<float> x(4 * 3 * 56 * 56);
  for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(std::sin(static_cast<double>(i)));
  Images batch;
  batch.tensor = x.data();
  batch.count = 4;
  batch.height = batch.width = 56;
  const auto weights = [&](const std::string& block) {
    std::vector<float> values(128 * 128);
    model->getParameter("decoder." + block + ".attn.proj.weight", values.data());
    return values;
  };
  const auto used = weights("1"), idle = weights("2");
  model->beginTraining();
  trainStep(*model, batch, 1);
  CHECK(weights("1") != used);
  CHECK(weights("2") == idle);
}

TEST_CASE("a shape that cannot be built is refused by name") {
  const auto refused = [](const std::string& field, const std::function<void(ModelConfig&)>& spoil) {
    ModelConfig config;
    config.validate();  // sound before
    spoil(config);
    try {
      config.validate();
      return false;
    } catch (const Error& e) {
      return e.code() == "ERR_INVALID_ARGUMENT" && std::string(e.what()).find(field) != std::string::npos;
    }
  };
  CHECK(refused("encoder.heads", [](ModelConfig& c) { c.encoder.heads = 5; }));
  CHECK(refused("encoder.dim", [](ModelConfig& c) { c.encoder.dim = -1; }));
  CHECK(refused("encoder.targets", [](ModelConfig& c) { c.encoder.targets = {3, 2}; }));
  CHECK(refused("encoder.targets", [](ModelConfig& c) { c.encoder.targets.back() = 12; }));
  CHECK(refused("encoder.targets", [](ModelConfig& c) { c.encoder.targets.clear(); }));
  CHECK(refused("decoderDepth", [](ModelConfig& c) { c.decoderDepth = 7; }));
  CHECK(refused("groups", [](ModelConfig& c) { c.groups = {{0, 8}}; }));
  CHECK(refused("group", [](ModelConfig& c) { c.groups = {{}}; }));
  CHECK(refused("group", [](ModelConfig& c) { c.groups.clear(); }));
  CHECK(refused("dropout", [](ModelConfig& c) { c.dropout = 1; }));
  CHECK(refused("dropout", [](ModelConfig& c) { c.dropout = std::numeric_limits<float>::quiet_NaN(); }));
}

TEST_CASE("random weights follow the paper's initialisation and their seed") {
  ModelConfig config;
  config.encoder.dim = 64;
  config.encoder.heads = 1;
  config.encoder.depth = 2;
  config.encoder.targets = {0, 1};
  config.groups = {{0}, {1}};
  config.decoderDepth = 2;
  const auto draw = [&](uint64_t seed, const std::string& name, int64_t size) {
    Dinomaly model(config, makeCpuBackend(1));
    model.initialise(true, seed);
    std::vector<float> values(static_cast<size_t>(size));
    model.getParameter(name, values.data());
    return values;
  };
  const std::vector<float> w = draw(1, "decoder.1.mlp.fc1.weight", 256 * 64);
  double sum = 0, squares = 0;
  for (float v : w) {
    sum += v;
    squares += static_cast<double>(v) * v;
    CHECK(std::abs(v) <= 0.03f);
  }
  const auto n = static_cast<double>(w.size());
  CHECK(std::abs(sum / n) < 5 * 0.01 / std::sqrt(n));
  CHECK(std::sqrt(squares / n) == doctest::Approx(0.00987).epsilon(0.03));  // a normal's deviation when cut at 3
  CHECK(draw(1, "decoder.1.mlp.fc1.weight", 256 * 64) == w);
  CHECK(draw(2, "decoder.1.mlp.fc1.weight", 256 * 64) != w);
  CHECK(draw(1, "decoder.0.norm1.weight", 64) == std::vector<float>(64, 1.0f));
  CHECK(draw(1, "decoder.0.mlp.fc2.bias", 64) == std::vector<float>(64, 0.0f));
  CHECK(draw(1, "encoder.blocks.1.ls2.gamma", 64) == std::vector<float>(64, 1.0f));
}
