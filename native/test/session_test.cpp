// The session: scores together and alone, training with kept features, checkpoints, end.
#include "session/session.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <future>
#include <memory>
#include <string>
#include <vector>

#include "error_code.h"
#include "nameless_file.h"
#include "safetensors_reader.h"
#include "small_session.h"
#include "temporary_folder.h"

using namespace dinomaly;

namespace {

std::unique_ptr<Backend> cpu() {
  return makeCpuBackend(2);
}

/// A session with random weights that begins to work at open().
class GatedSession {
 public:
  GatedSession()
      : session_(smallConfig(), [gate = opened_.get_future().share()] {
          gate.wait();
          return cpu();
        }) {
    session_.initialise(true, 1, [](Outcome<Nothing>) {});
  }
  std::future<Score> score(std::vector<uint8_t> pixels, int64_t side, const CancelToken& cancel = {}) {
    auto promise = std::make_shared<std::promise<Score>>();
    session_.score({std::move(pixels), side, cancel, [promise](Outcome<Score> outcome) {
                      if (outcome.error) {
                        promise->set_exception(outcome.error);
                      } else {
                        promise->set_value(std::move(outcome.value));
                      }
                    }});
    return promise->get_future();
  }
  void open() { opened_.set_value(); }
  Session& session() { return session_; }

 private:
  std::promise<void> opened_;
  Session session_;
};

Score scoreAlone(Session& session, uint32_t seed, int64_t side = kSide) {
  return wait<Score>([&](auto done) { session.score({picture(seed, side), side, {}, done}); });
}

StepResult step(Session& session, TrainingBatch batch, int64_t iteration) {
  return *wait<std::optional<StepResult>>(
      [&](auto done) { session.trainStep(std::move(batch), iteration, shortRun(), true, CancelToken(), done); });
}

std::vector<NamedTensor> stateOf(Session& session) {
  return wait<std::vector<NamedTensor>>([&](auto done) { session.stateDict(done); });
}

bool sameState(Session& a, Session& b) {
  const auto left = stateOf(a), right = stateOf(b);
  bool same = left.size() == right.size();
  for (size_t i = 0; same && i < left.size(); ++i) {
    same = left[i].name == right[i].name && left[i].tensor.data == right[i].tensor.data;
  }
  return same;
}

/// Every tensor of a safetensors file that this package wrote.
std::vector<TensorSource> sourcesOf(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  uint64_t headerSize = 0;
  file.read(reinterpret_cast<char*>(&headerSize), sizeof(headerSize));
  std::string header(headerSize, ' ');
  file.read(header.data(), static_cast<std::streamsize>(headerSize));
  std::vector<TensorSource> sources;
  const auto entries = nlohmann::json::parse(header);
  for (const auto& [name, entry] : entries.items()) {
    if (name == "__metadata__") continue;
    const int64_t begin = entry.at("data_offsets").at(0), end = entry.at("data_offsets").at(1);
    sources.push_back({name,
                       entry.at("shape").get<std::vector<int64_t>>(),
                       {{path, 8 + static_cast<int64_t>(headerSize) + begin, end - begin, StoredType::f32}}});
  }
  return sources;
}

void begin(Session& session, const FeatureRoom& room = {1 << 30, {}}) {
  wait<Nothing>([&](auto done) { session.beginTraining(kSide, 4, room, done); });
}

}  // namespace

TEST_CASE("score jobs of one side join, up to the cap; others do not") {
  const auto job = [](int64_t side) {
    return std::make_unique<ScoreJob>([]() -> Dinomaly& { throw std::logic_error("not run"); }, kBatchCap,
                                      ScoreRequest{picture(1, side), side, {}, [](Outcome<Score>) {}});
  };
  const auto first = job(28);
  CHECK_FALSE(first->absorb(*job(42)));
  for (int64_t i = 1; i < kBatchCap; ++i) CHECK(first->absorb(*job(28)));
  CHECK_FALSE(first->absorb(*job(28)));
}

TEST_CASE("scores asked for at the same time are those of single requests, bit for bit") {
  Session single(smallConfig(), cpu);
  initialise(single);
  GatedSession gated;
  std::vector<std::future<Score>> scores;
  for (uint32_t i = 0; i < 11; ++i) scores.push_back(gated.score(picture(i), kSide));
  scores.push_back(gated.score(picture(11, 42), 42));
  gated.open();
  for (uint32_t i = 0; i < scores.size(); ++i) {
    CAPTURE(i);
    const Score together = scores[i].get(), alone = scoreAlone(single, i, i == 11 ? 42 : kSide);
    CHECK(together.score == alone.score);
    CHECK(together.map == alone.map);
  }
}

TEST_CASE("a cancelled request among others leaves them right; without any left nothing runs") {
  Session single(smallConfig(), cpu);
  initialise(single);
  GatedSession gated;
  const CancelToken token, other;
  std::future<Score> a = gated.score(picture(1), kSide), b = gated.score(picture(2), kSide, token),
                     c = gated.score(picture(3), kSide), d = gated.score(picture(4, 42), 42, other);
  token.cancel();
  other.cancel();
  gated.open();
  CHECK(a.get().map == scoreAlone(single, 1).map);
  CHECK_THROWS_AS(b.get(), Cancelled);
  CHECK(c.get().map == scoreAlone(single, 3).map);
  CHECK_THROWS_AS(d.get(), Cancelled);
}

TEST_CASE("an error of one job is its own") {
  Session session(smallConfig(), cpu);
  initialise(session);
  const auto bad = [&] { scoreAlone(session, 1, 57); };  // not a multiple of the patch
  CHECK(errorCode(bad) == "ERR_INVALID_ARGUMENT");
  CHECK(scoreAlone(session, 1).map.size() == 65536);
}

TEST_CASE("a network that cannot be built is the outcome of every job") {
  Session session(smallConfig(), []() -> std::unique_ptr<Backend> { throw std::bad_alloc(); });
  CHECK_THROWS_AS(session.parameters(), std::bad_alloc);
  CHECK_THROWS_AS(initialise(session), std::bad_alloc);
  CHECK_THROWS_AS(scoreAlone(session, 1), std::bad_alloc);
}

TEST_CASE("disposing fails what waits and ends the thread; an undisposed session ends by itself") {
  GatedSession gated;
  std::future<Score> waiting = gated.score(picture(1), kSide);
  std::promise<void> ended;
  gated.session().dispose([&] { ended.set_value(); });
  gated.session().dispose([] { FAIL_CHECK("the second call counted"); });
  gated.open();
  ended.get_future().wait();
  CHECK(errorCode([&] { waiting.get(); }) == "ERR_DISPOSED");
  CHECK(errorCode([&] { scoreAlone(gated.session(), 1); }) == "ERR_DISPOSED");
}

TEST_CASE("inference of a batch is that of its pictures, more than go through together") {
  Session session(smallConfig(), cpu);
  initialise(session);
  constexpr int64_t count = kBatchCap + 2, height = 28, width = 42, size = 3 * height * width;
  Tensor all{std::vector<float>(count * size), {count, 3, height, width}};
  for (size_t i = 0; i < all.data.size(); ++i) all.data[i] = static_cast<float>(i % 1013) / 500 - 1;
  const auto infer = [&](const Tensor& images) {
    return wait<Inference>([&](auto done) { session.infer(images, CancelToken(), done); });
  };
  const Inference whole = infer(all);
  REQUIRE(whole.encoder.size() == 2);
  CHECK(whole.encoder[1].shape == std::vector<int64_t>{count, 6, 32});
  CHECK(whole.decoder[0].shape == std::vector<int64_t>{count, 6, 32});
  CHECK(whole.maps.shape == std::vector<int64_t>{count, 256, 256});
  CHECK(whole.scores.size() == count);
  const Inference last = infer({{all.data.end() - size, all.data.end()}, {1, 3, height, width}});
  const auto tail = [](const Tensor& batch, const Tensor& one) {
    return std::vector<float>(batch.data.end() - static_cast<int64_t>(one.data.size()), batch.data.end()) == one.data;
  };
  CHECK(tail(whole.encoder[0], last.encoder[0]));
  CHECK(tail(whole.decoder[1], last.decoder[1]));
  CHECK(tail(whole.maps, last.maps));
  CHECK(whole.scores.back() == last.scores[0]);
}

TEST_CASE("kept features and pixels train the same network, whatever the batches were") {
  Session kept(smallConfig(), cpu), fresh(smallConfig(), cpu);
  initialise(kept);
  initialise(fresh);
  begin(kept);
  begin(fresh, {});
  const std::vector<std::vector<int64_t>> batches = {{1, 2, 3}, {3, 4}, {2, 1, 4}};
  for (size_t i = 0; i < batches.size(); ++i) {
    const auto iteration = static_cast<int64_t>(i);
    const StepResult a = step(kept, pictures(batches[i], i < 2), iteration);
    const StepResult b = step(fresh, pictures(batches[i], true), iteration);
    CHECK(a.loss == b.loss);
    CHECK(a.gradientNorm == b.gradientNorm);
  }
  CHECK(kept.features()->has(4));
  CHECK_FALSE(kept.features()->has(5));
  CHECK_FALSE(fresh.features()->has(1));
  CHECK(sameState(kept, fresh));
  CHECK(errorCode([&] { step(fresh, pictures({1}, false), 3); }) == "ERR_INVALID_ARGUMENT");
  wait<Nothing>([&](auto done) { kept.endTraining(done); });
  CHECK_FALSE(kept.features()->has(4));
  CHECK(errorCode([&] { step(kept, pictures({1}, true), 3); }) == "ERR_INTERNAL");
}

TEST_CASE("features from a file train the same network, also where they are lost") {
  const TemporaryFolder folder;
  Session filed(smallConfig(), cpu), fresh(smallConfig(), cpu);
  initialise(filed);
  initialise(fresh);
  begin(filed, {0, folder.path()});
  begin(fresh, {});
  const std::vector<std::vector<int64_t>> batches = {{1, 2, 3}, {3, 4}, {2, 1, 4}, {1, 3}};
  std::vector<int64_t> wereRead;
  for (size_t i = 0; i < batches.size(); ++i) {
    if (i == 3) REQUIRE(ftruncate(namelessFileIn(folder.path()), 0) == 0);
    TrainingBatch batch = pictures(batches[i], true);
    for (TrainingPicture& picture : batch.pictures) {
      if (!filed.features()->read(picture.id)) continue;
      picture.pixels.clear();
      wereRead.push_back(picture.id);
    }
    step(filed, std::move(batch), static_cast<int64_t>(i));
    step(fresh, pictures(batches[i], true), static_cast<int64_t>(i));
  }
  CHECK(wereRead == std::vector<int64_t>{3, 2, 1, 4});
  CHECK_FALSE(filed.features()->has(1));
  CHECK(sameState(filed, fresh));
  wait<Nothing>([&](auto done) { filed.endTraining(done); });
  CHECK(namelessFileIn(folder.path()) < 0);
}

TEST_CASE("other encoder weights forget kept features") {
  Session session(smallConfig(), cpu);
  initialise(session);
  begin(session);
  step(session, pictures({1}, true), 0);
  wait<Nothing>([&](auto done) { session.initialise(false, 2, done); });
  CHECK(session.features()->has(1));
  wait<Nothing>([&](auto done) { session.initialise(true, 2, done); });
  CHECK_FALSE(session.features()->has(1));
}

TEST_CASE("heatmapMax is twice the 99.9th percentile of the observed maps, from pictures or a tensor") {
  Session session(smallConfig(), cpu);
  initialise(session);
  begin(session);
  TopQuantile expected(0.999);
  for (uint32_t i = 1; i < 4; ++i) {
    const std::vector<float> map = scoreAlone(session, i).map;
    expected.add(map.data(), map.size());
  }
  const auto observe = [&](const TrainingBatch& batch) {
    wait<Nothing>([&](auto done) { session.observe(batch, CancelToken(), done); });
  };
  const auto heatmapMax = [&] { return wait<double>([&](auto done) { session.heatmapMax(done); }); };
  observe(pictures({1, 2}, true));
  observe(pictures({3}, true));
  CHECK(heatmapMax() == 2 * expected.value());
  CHECK(errorCode(heatmapMax) == "ERR_INTERNAL");  // forgotten

  TrainingBatch batch;
  batch.tensor = {std::vector<float>(2 * 3 * kSide * kSide), {2, 3, kSide, kSide}};
  for (size_t i = 0; i < batch.tensor.data.size(); ++i) batch.tensor.data[i] = static_cast<float>(i % 977) / 500 - 1;
  observe(batch);
  const Inference inference = wait<Inference>([&](auto done) { session.infer(batch.tensor, CancelToken(), done); });
  TopQuantile direct(0.999);
  direct.add(inference.maps.data.data(), inference.maps.data.size());
  CHECK(heatmapMax() == 2 * direct.value());
}

TEST_CASE("a run that was saved and loaded goes on as one that never stopped") {
  const TemporaryFolder folder;
  const std::string path = folder.path() + "/checkpoint.safetensors";
  Session whole(smallConfig(), cpu);
  initialise(whole);
  begin(whole);
  for (int64_t i = 0; i < 3; ++i) step(whole, pictures({i, i + 1}, true), i);
  wait<Nothing>([&](auto done) { whole.save(path, {{"iteration", "3"}}, true, done); });

  Session resumed(smallConfig(), cpu);
  begin(resumed);
  wait<Nothing>([&](auto done) { resumed.load(sourcesOf(path), done); });
  CHECK(sameState(whole, resumed));
  for (int64_t i = 3; i < 6; ++i) {
    const StepResult a = step(whole, pictures({i, i + 1}, true), i), b = step(resumed, pictures({i, i + 1}, true), i);
    CHECK(a.loss == b.loss);
  }
  CHECK(sameState(whole, resumed));
  CHECK(scoreAlone(whole, 9).map == scoreAlone(resumed, 9).map);

  const auto save = [&](Session& session, const std::string& to) {
    wait<Nothing>([&](auto done) { session.save(to, {}, true, done); });
  };
  const auto bytes = [](const std::string& from) {
    std::ifstream file(from, std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(file), {});
  };
  save(whole, folder.path() + "/a");
  save(resumed, folder.path() + "/b");
  CHECK(bytes(folder.path() + "/a") == bytes(folder.path() + "/b"));
  CHECK(errorCode([&] { save(whole, folder.path() + "/missing/a"); }) == "ERR_IO");
}

TEST_CASE("what a checkpoint holds is what the network has") {
  const TemporaryFolder folder;
  const std::string path = folder.path() + "/model.safetensors";
  Session session(smallConfig(), cpu);
  initialise(session);
  wait<Nothing>([&](auto done) { session.save(path, {}, false, done); });
  const auto written = readSafetensors(path);
  const auto state = stateOf(session);
  CHECK(written.size() == state.size());
  for (const NamedTensor& entry : state) {
    CAPTURE(entry.name);
    CHECK(written.at(entry.name).shape == entry.tensor.shape);
    CHECK(written.at(entry.name).values == entry.tensor.data);
  }
  const auto saveState = [&] { wait<Nothing>([&](auto done) { session.save(path, {}, true, done); }); };
  CHECK(errorCode(saveState) == "ERR_INTERNAL");  // there is no optimiser state outside of a run
}

TEST_CASE("tensors that the network does not have are refused") {
  const TemporaryFolder folder;
  const std::string path = folder.path() + "/numbers";
  std::ofstream(path) << std::string(4096, '\0');
  Session session(smallConfig(), cpu);
  const auto load = [&](const std::string& name, std::vector<int64_t> shape, int64_t bytes) {
    return errorCode([&] {
      wait<Nothing>([&](auto done) { session.load({{name, shape, {{path, 0, bytes, StoredType::f32}}}}, done); });
    });
  };
  CHECK(load("decoder.0.norm1.weight", {32}, 128) == "");
  CHECK(load("decoder.0.norm1.weight", {16, 2}, 128) == "ERR_WEIGHTS_MISMATCH");
  CHECK(load("decoder.9.norm1.weight", {32}, 128) == "ERR_WEIGHTS_MISMATCH");
  CHECK(load("optimizer.exp_avg.decoder.0.norm1.weight", {32}, 128) == "ERR_WEIGHTS_MISMATCH");  // not training
  begin(session);
  CHECK(load("optimizer.exp_avg.decoder.0.norm1.weight", {32}, 128) == "");
}

TEST_CASE("a cancelled step changes nothing") {
  Session a(smallConfig(), cpu), b(smallConfig(), cpu);
  for (Session* session : {&a, &b}) {
    initialise(*session);
    begin(*session);
    step(*session, pictures({1, 2}, true), 1);
  }
  const CancelToken token;
  token.cancel();
  const auto cancelled = [&] {
    wait<std::optional<StepResult>>([&](auto done) {
      a.trainStep(pictures({1, 2}, true), 2, shortRun(), true, token, done);
    });
  };
  CHECK_THROWS_AS(cancelled(), Cancelled);
  CHECK(sameState(a, b));
}

TEST_CASE("a step that waited behind a failed one changes nothing") {
  Session a(smallConfig(), cpu), b(smallConfig(), cpu);
  for (Session* session : {&a, &b}) {
    initialise(*session);
    begin(*session);
    step(*session, pictures({1, 2}, true), 1);
  }
  CHECK(errorCode([&] { step(a, pictures({3}, false), 2); }) == "ERR_INVALID_ARGUMENT");
  CHECK(errorCode([&] { step(a, pictures({1, 2}, true), 3); }) == "ERR_INTERNAL");
  CHECK(sameState(a, b));
}
