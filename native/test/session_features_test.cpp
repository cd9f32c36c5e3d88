// Kept features: what fits into memory, and the file for what does not.
#include <doctest/doctest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "nameless_file.h"
#include "session/feature_cache.h"
#include "session/feature_file.h"
#include "temporary_folder.h"

using namespace dinomaly;

namespace {

constexpr size_t kGroups = 40'003, kMean = 20'001;  // no whole words
constexpr auto kBytes = static_cast<int64_t>(kGroups + kMean);

HostFeatures features(unsigned seed) {
  HostFeatures f{1, 2, 3, std::vector<unsigned char>(kGroups), std::vector<unsigned char>(kMean)};
  for (size_t i = 0; i < kGroups; ++i) f.groups[i] = static_cast<unsigned char>(i * i + seed);
  for (size_t i = 0; i < kMean; ++i) f.mean[i] = static_cast<unsigned char>(3 * i + seed);
  return f;
}

bool same(const std::shared_ptr<const HostFeatures>& found, const HostFeatures& expected) {
  return found && found->images == expected.images && found->rows == expected.rows && found->cols == expected.cols &&
         found->groups == expected.groups && found->mean == expected.mean;
}

/// Bounds how large the process's files get, as a full disk does.
class SmallFiles {
 public:
  explicit SmallFiles(int64_t bytes) {
    getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit small = {static_cast<rlim_t>(bytes), before_.rlim_max};
    setrlimit(RLIMIT_FSIZE, &small);
  }
  ~SmallFiles() { setrlimit(RLIMIT_FSIZE, &before_); }
  SmallFiles(const SmallFiles&) = delete;
  SmallFiles& operator=(const SmallFiles&) = delete;

 private:
  rlimit before_;
};

}  // namespace

TEST_CASE("the cache keeps what fits") {
  FeatureCache cache;
  cache.reset({100, {}});
  cache.keep(1, std::make_shared<Features>(), 60);
  cache.keep(2, std::make_shared<Features>(), 60);
  cache.keep(3, std::make_shared<Features>(), 40);
  CHECK(cache.has(1));
  CHECK_FALSE(cache.has(2));
  CHECK(cache.has(3));
  CHECK_FALSE(cache.find(2));
  CHECK(cache.find(3));
  CHECK_FALSE(cache.fileTakes(2, 1));
  CHECK_FALSE(cache.read(2));
  cache.clear();
  CHECK_FALSE(cache.has(1));
  cache.keep(4, std::make_shared<Features>(), 100);
  CHECK(cache.has(4));
}

TEST_CASE("the cache finds what was read from its file once for each time") {
  const TemporaryFolder folder;
  FeatureCache cache;
  cache.reset({0, folder.path()});
  CHECK(cache.fileTakes(1, kBytes));
  cache.write(1, features(1));
  CHECK_FALSE(cache.fileTakes(1, kBytes));
  CHECK_FALSE(cache.find(1));
  CHECK(cache.read(1));
  CHECK(cache.read(1));
  for (int i = 0; i < 2; ++i) {
    const auto found = cache.find(1);
    REQUIRE(found);
    CHECK(same(std::get<std::shared_ptr<const HostFeatures>>(*found), features(1)));
  }
  CHECK_FALSE(cache.find(1));
  CHECK(cache.read(1));
  cache.clear();
  CHECK_FALSE(cache.find(1));
  CHECK_FALSE(cache.read(1));
  CHECK(cache.fileTakes(1, kBytes));
  CHECK(namelessFileIn(folder.path()) >= 0);
  cache.reset({});
  CHECK(namelessFileIn(folder.path()) < 0);
}

TEST_CASE("features come back from a file as they were written, which leaves no name") {
  const TemporaryFolder folder;
  FeatureFile file(folder.path());
  for (unsigned id = 0; id < 5; ++id) file.write(id, features(id));
  CHECK(std::filesystem::is_empty(folder.path()));
  for (unsigned id = 5; id-- > 0;) CHECK(same(file.read(id), features(id)));
  CHECK_FALSE(file.read(5));
}

TEST_CASE("a killed process leaves no file of features") {
  const TemporaryFolder folder;
  const pid_t killed = fork();
  if (killed == 0) {
    FeatureFile file(folder.path());
    file.write(1, features(1));
    kill(getpid(), file.read(1) ? SIGKILL : SIGTERM);
  }
  int status = 0;
  waitpid(killed, &status, 0);
  CHECK(WTERMSIG(status) == SIGKILL);
  CHECK(std::filesystem::is_empty(folder.path()));
}

TEST_CASE("features that do not come back as they were written are lost, others are not") {
  const TemporaryFolder folder;
  FeatureFile file(folder.path());
  for (unsigned id = 0; id < 3; ++id) file.write(id, features(id));
  const int descriptor = namelessFileIn(folder.path());
  REQUIRE(descriptor >= 0);
  const char other = static_cast<char>(features(0).mean.back() + 1);
  REQUIRE(pwrite(descriptor, &other, 1, kBytes - 1) == 1);
  REQUIRE(ftruncate(descriptor, 3 * kBytes - 1) == 0);
  CHECK_FALSE(file.read(0));
  CHECK(same(file.read(1), features(1)));
  CHECK_FALSE(file.read(2));
  CHECK(file.takes(0, kBytes));
  file.write(0, features(0));
  CHECK(same(file.read(0), features(0)));
}

TEST_CASE("a file takes half of the free space, no more than the process may write, and nothing without a folder") {
  const TemporaryFolder folder;
  struct statvfs system;
  REQUIRE(statvfs(folder.path().c_str(), &system) == 0);
  const auto all = static_cast<int64_t>(system.f_bavail * system.f_frsize);
  const FeatureFile half(folder.path());
  CHECK(half.takes(1, all / 4));
  CHECK_FALSE(half.takes(1, all / 4 * 3));

  for (const std::string& none : {folder.path() + "/missing", std::string("/proc"), std::string("/dev/null")}) {
    FeatureFile file(none);
    CHECK_FALSE(file.takes(1, 1));
    file.write(1, features(1));
    CHECK_FALSE(file.read(1));
  }

  const SmallFiles small(2 * kBytes + 1);  // without a handler: the signal would end the tests
  FeatureFile file(folder.path());
  for (unsigned id = 0; id < 3; ++id) file.write(id, features(id));
  CHECK(same(file.read(0), features(0)));
  CHECK(same(file.read(1), features(1)));
  CHECK_FALSE(file.read(2));
}

TEST_CASE("a disk that is full before its time ends the writing, not what was written") {
  const TemporaryFolder folder;
  FeatureFile file(folder.path());
  file.write(1, features(1));
  const auto handler = signal(SIGXFSZ, SIG_IGN);
  {
    const SmallFiles small(kBytes + kBytes / 2);
    file.write(2, features(2));
  }
  signal(SIGXFSZ, handler);
  CHECK_FALSE(file.read(2));
  CHECK(same(file.read(1), features(1)));
  CHECK_FALSE(file.takes(3, 1));
}
