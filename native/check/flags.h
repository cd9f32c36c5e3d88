// A command line of `--name value` pairs.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace dinomaly::check {

/// Every function throws ERR_INVALID_ARGUMENT with the flag's name.
class Flags {
 public:
  Flags(int count, const char* const* arguments);

  bool has(const std::string& name) const { return values_.count(name) > 0; }
  const std::string& text(const std::string& name) const;
  int64_t number(const std::string& name) const;
  double real(const std::string& name) const;
  /// 1,2,3
  std::vector<int64_t> numbers(const std::string& name) const;
  /// 0,1/2,3
  std::vector<std::vector<int64_t>> groups(const std::string& name) const;

 private:
  std::map<std::string, std::string> values_;
};

}  // namespace dinomaly::check
