#include "session/atomic_file.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <cstdio>
#include <memory>
#include <utility>

#include "core/error.h"

namespace dinomaly {
namespace {

long threadId() {
  return syscall(SYS_gettid);
}

/// Whether the thread that a temporary file is named after lives and is another one than this.
bool writerLives(int pid, int tid) {
  if (pid == getpid() && tid == threadId()) return false;
  return pid > 0 && tid > 0 && (syscall(SYS_tgkill, pid, tid, 0) == 0 || errno != ESRCH);
}

/// Removes what killed processes left behind of one target.
void removeStale(const std::string& folder, const std::string& prefix) {
  const std::unique_ptr<DIR, int (*)(DIR*)> directory(opendir(folder.c_str()), closedir);
  if (!directory) return;  // opening the temporary file will tell why
  while (const dirent* entry = readdir(directory.get())) {
    const std::string name = entry->d_name;
    if (name.compare(0, prefix.size(), prefix) != 0) continue;
    int pid = 0, tid = 0, end = -1;
    if (std::sscanf(name.c_str() + prefix.size(), "%d-%d.tmp%n", &pid, &tid, &end) != 2 || end < 0) continue;
    if (prefix.size() + static_cast<size_t>(end) != name.size() || writerLives(pid, tid)) continue;
    unlink((folder + "/" + name).c_str());
  }
}

}  // namespace

AtomicFile::AtomicFile(std::string path) : path_(std::move(path)) {
  const size_t slash = path_.rfind('/');
  folder_ = slash == std::string::npos ? "." : slash == 0 ? "/" : path_.substr(0, slash);
  const std::string prefix = "." + path_.substr(slash == std::string::npos ? 0 : slash + 1) + ".";

  struct stat target;
  if (stat(path_.c_str(), &target) == 0 && !S_ISREG(target.st_mode)) {
    throw Error("ERR_IO",
                "'" + path_ + "' could not be written: expected a file or nothing there, found a folder or device.");
  }
  removeStale(folder_, prefix);
  temporary_ = folder_ + "/" + prefix + std::to_string(getpid()) + "-" + std::to_string(threadId()) + ".tmp";
  file_ = FileDescriptor(open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
  if (!file_) fail("create");
}

AtomicFile::~AtomicFile() {
  if (!committed_ && !temporary_.empty()) unlink(temporary_.c_str());
}

void AtomicFile::write(const void* data, size_t size) {
  const char* from = static_cast<const char*>(data);
  while (size > 0) {
    const ssize_t written = ::write(file_.get(), from, size);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail("write");
    from += written;
    size -= static_cast<size_t>(written);
  }
}

void AtomicFile::commit() {
  if (fsync(file_.get()) != 0) fail("fsync");
  if (file_.close() != 0) fail("close");
  if (rename(temporary_.c_str(), path_.c_str()) != 0) fail("rename");
  committed_ = true;
  // The name must outlive a power cut too. File systems that cannot sync a folder say EINVAL.
  const FileDescriptor folder(open(folder_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder || (fsync(folder.get()) != 0 && errno != EINVAL)) fail("fsync its folder");
}

void AtomicFile::fail(const std::string& doing) const {
  throw Error("ERR_IO", "'" + path_ + "' could not be written: " + errnoText() + " (" + doing +
                            "). Expected: a folder that exists, may be written to and has room.");
}

}  // namespace dinomaly
