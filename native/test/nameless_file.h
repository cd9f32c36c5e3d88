// Files of this process that have no name any more.
#pragma once

#include <filesystem>
#include <string>
#include <system_error>

namespace dinomaly {

/// The descriptor of one that was made in `folder`; -1: there is none.
inline int namelessFileIn(const std::string& folder) {
  const std::string start = std::filesystem::canonical(folder).string() + "/", end = " (deleted)";
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code closed;  // of the descriptor that lists the folder
    const std::string target = std::filesystem::read_symlink(entry.path(), closed).string();
    if (target.size() < start.size() + end.size()) continue;
    if (target.compare(0, start.size(), start) == 0 &&
        target.compare(target.size() - end.size(), end.size(), end) == 0) {
      return std::stoi(entry.path().filename().string());
    }
  }
  return -1;
}

}  // namespace dinomaly
