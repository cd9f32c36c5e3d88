#include "session/feature_file.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <optional>
#include <vector>

namespace dinomaly {
namespace {

/// Not open where none can be made. It loses its name at once, so that it goes with the process however that ends.
FileDescriptor openNameless(const std::string& folder) {
  std::string path = folder + "/.features-XXXXXX";
  FileDescriptor file(mkostemp(path.data(), O_CLOEXEC));
  if (file && unlink(path.c_str()) != 0) return {};
  return file;
}

/// Half of the free space, and no more than the process may write: beyond that it would get a signal.
int64_t limitOf(const FileDescriptor& file) {
  struct statvfs system;
  rlimit allowed;
  if (!file || fstatvfs(file.get(), &system) != 0 || getrlimit(RLIMIT_FSIZE, &allowed) != 0) return 0;
  const uint64_t half = static_cast<uint64_t>(system.f_bavail) * system.f_frsize / 2;
  constexpr uint64_t kMost = std::numeric_limits<int64_t>::max();
  return static_cast<int64_t>(std::min({half, static_cast<uint64_t>(allowed.rlim_cur), kMost}));
}

bool writeAll(int fd, const std::vector<unsigned char>& bytes, int64_t offset) {
  size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t written = pwrite(fd, bytes.data() + done, bytes.size() - done, offset + static_cast<int64_t>(done));
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    done += static_cast<size_t>(written);
  }
  return true;
}

bool readAll(int fd, std::vector<unsigned char>& bytes, int64_t offset) {
  size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t got = pread(fd, bytes.data() + done, bytes.size() - done, offset + static_cast<int64_t>(done));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    done += static_cast<size_t>(got);
  }
  return true;
}

/// FNV-1a, by words rather than by bytes.
uint64_t hash(uint64_t state, const std::vector<unsigned char>& bytes) {
  for (size_t i = 0; i < bytes.size(); i += sizeof(uint64_t)) {
    uint64_t word = 0;
    std::memcpy(&word, bytes.data() + i, std::min(sizeof(word), bytes.size() - i));
    state = (state ^ word) * 0x100000001b3;
  }
  return state;
}

/// What was written may get lost on its way to the disk, of which only fsync, which takes its time, would tell.
uint64_t checksumOf(const HostFeatures& features) {
  return hash(hash(0xcbf29ce484222325, features.groups), features.mean);
}

}  // namespace

FeatureFile::FeatureFile(const std::string& folder) : file_(openNameless(folder)), limit_(limitOf(file_)) {}

bool FeatureFile::takes(int64_t id, int64_t bytes) const {
  std::lock_guard<std::mutex> lock(mutex_);
  return bytes <= limit_ - end_ && entries_.count(id) == 0;
}

void FeatureFile::write(int64_t id, const HostFeatures& f) {
  const auto bytes = static_cast<int64_t>(f.groups.size() + f.mean.size());
  int64_t offset = 0;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (bytes > limit_ - end_ || entries_.count(id) != 0) return;
    offset = end_;
    end_ += bytes;
  }
  const bool written = writeAll(file_.get(), f.groups, offset) &&
                       writeAll(file_.get(), f.mean, offset + static_cast<int64_t>(f.groups.size()));
  const Entry entry{offset, f.images, f.rows, f.cols, f.groups.size(), f.mean.size(), checksumOf(f)};
  std::lock_guard<std::mutex> lock(mutex_);
  if (written) {
    entries_.emplace(id, entry);
  } else {
    limit_ = 0;  // the disk is full: leave others what is left
  }
}

std::shared_ptr<const HostFeatures> FeatureFile::read(int64_t id) {
  std::optional<Entry> found;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    const auto at = entries_.find(id);
    if (at == entries_.end()) return nullptr;
    found = at->second;
  }
  const Entry& e = *found;
  auto features = std::make_shared<HostFeatures>(HostFeatures{
      e.images, e.rows, e.cols, std::vector<unsigned char>(e.groupBytes), std::vector<unsigned char>(e.meanBytes)});
  if (readAll(file_.get(), features->groups, e.offset) &&
      readAll(file_.get(), features->mean, e.offset + static_cast<int64_t>(e.groupBytes)) &&
      checksumOf(*features) == e.checksum) {
    return features;
  }
  std::lock_guard<std::mutex> lock(mutex_);
  entries_.erase(id);
  return nullptr;
}

}  // namespace dinomaly
