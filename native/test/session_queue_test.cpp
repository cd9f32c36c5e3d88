// The compute thread: order, cancellation, end.
#include <doctest/doctest.h>

#include <future>
#include <memory>
#include <string>
#include <vector>

#include "error_code.h"
#include "session/call_job.h"
#include "session/compute_thread.h"

using namespace dinomaly;

namespace {

/// "done", "cancelled" or the code of an Error.
template <typename T>
std::string nameOf(const Outcome<T>& outcome) {
  if (!outcome.error) return "done";
  try {
    std::rethrow_exception(outcome.error);
  } catch (const Cancelled&) {
    return "cancelled";
  } catch (const Error& error) {
    return error.code();
  } catch (...) {
    return "another exception";
  }
}

/// A compute thread whose first job waits for open(), and the outcomes of the jobs in the order in which they came.
class Fixture {
 public:
  Fixture()
      : thread_([this] {
          log_.push_back("end");
          ended_.set_value();
        }) {
    push("gate", {}, [this](const CancelToken&) { opened_.get_future().wait(); });
  }

  void open() { opened_.set_value(); }

  void push(const std::string& name, const CancelToken& token, std::function<void(const CancelToken&)> call) {
    auto run = [call = std::move(call)](const CancelToken& cancel) {
      call(cancel);
      return Nothing();
    };
    thread_.push(std::make_unique<CallJob<Nothing>>(
        token, run, [this, name](Outcome<Nothing> outcome) { log_.push_back(name + " " + nameOf(outcome)); }));
  }
  void push(const std::string& name, const CancelToken& token = {}) {
    push(name, token, [](const CancelToken&) {});
  }
  /// A job that goes on until it is cancelled; ready when it has begun.
  std::future<void> pushEndless(const std::string& name, const CancelToken& token) {
    const auto started = std::make_shared<std::promise<void>>();
    push(name, token, [started](const CancelToken& cancel) {
      started->set_value();
      while (true) cancel.check();
    });
    return started->get_future();
  }

  /// Waits until every job pushed before has been seen to.
  void drain() {
    std::promise<void> drained;
    thread_.push(std::make_unique<CallJob<Nothing>>(
        CancelToken(), [](const CancelToken&) { return Nothing(); }, [&](Outcome<Nothing>) { drained.set_value(); }));
    drained.get_future().wait();
  }

  void waitForEnd() { ended_.get_future().wait(); }

  ComputeThread& thread() { return thread_; }
  const std::vector<std::string>& log() const { return log_; }

 private:
  std::promise<void> opened_, ended_;
  std::vector<std::string> log_;
  ComputeThread thread_;
};

using Log = std::vector<std::string>;

}  // namespace

TEST_CASE("jobs run in the order in which they came, one that throws among them") {
  Fixture f;
  f.push("a");
  f.push("b", {}, [](const CancelToken&) { throw Error("ERR_IO", "full"); });
  f.push("c", {}, [](const CancelToken&) { throw std::bad_alloc(); });
  f.push("d");
  f.open();
  f.drain();
  CHECK(f.log() == Log{"gate done", "a done", "b ERR_IO", "c another exception", "d done"});
}

TEST_CASE("a job that was cancelled while it waited does not run") {
  Fixture f;
  const CancelToken token;
  bool ran = false;
  f.push("a", token, [&](const CancelToken&) { ran = true; });
  f.push("b");
  token.cancel();
  f.open();
  f.drain();
  CHECK_FALSE(ran);
  CHECK(f.log() == Log{"gate done", "a cancelled", "b done"});
}

TEST_CASE("a running job sees that it is cancelled, the next one does not") {
  Fixture f;
  const CancelToken token;
  std::future<void> started = f.pushEndless("a", token);
  f.push("b", {}, [](const CancelToken& cancel) { cancel.check(); });
  f.open();
  started.wait();
  token.cancel();
  f.drain();
  CHECK(f.log() == Log{"gate done", "a cancelled", "b done"});
}

TEST_CASE("stopping cancels what runs, fails what waits and what comes later, and leaves foreign tokens alone") {
  Fixture f;
  const CancelToken token;
  std::future<void> started = f.pushEndless("a", token);
  f.push("b");
  f.open();
  started.wait();
  f.thread().stop();
  f.thread().stop();
  f.waitForEnd();
  f.push("late");
  CHECK(f.log() == Log{"gate done", "a ERR_DISPOSED", "b ERR_DISPOSED", "end", "late ERR_DISPOSED"});
  CHECK_FALSE(token.cancelled());
}

TEST_CASE("a token that follows others is cancelled by itself or once all of them are") {
  const CancelToken a, b;
  const CancelToken both = CancelToken::following({a, b}), again = CancelToken::following({a, b});
  const CancelToken one = CancelToken::following({b});
  a.cancel();
  CHECK_FALSE(both.cancelled());
  again.cancel();
  CHECK(again.cancelled());
  one.cancel();
  CHECK_FALSE(b.cancelled());
  b.cancel();
  CHECK(both.cancelled());
}
