// The one exception type of the native library. It crosses into JavaScript as a DinomalyError with the same code.
#pragma once

#include <stdexcept>
#include <string>
#include <utility>

namespace dinomaly {

class Error : public std::runtime_error {
 public:
  /// code: one of the stable codes listed in lib/errors.ts, such as "ERR_INVALID_ARGUMENT".
  /// message: what was expected, what was found, what to do.
  Error(std::string code, const std::string& message) : std::runtime_error(message), code_(std::move(code)) {}
  const std::string& code() const noexcept { return code_; }

 private:
  std::string code_;
};

}  // namespace dinomaly
