#include "check/flags.h"

#include <sstream>

#include "core/error.h"

namespace dinomaly::check {
namespace {

template <typename Number>
Number parse(const std::string& name, const std::string& text) {
  std::istringstream stream(text);
  Number value{};
  if (!(stream >> value) || !stream.eof()) {
    throw Error("ERR_INVALID_ARGUMENT", name + ": expected a number, found '" + text + "'");
  }
  return value;
}

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> parts;
  std::istringstream stream(text);
  for (std::string part; std::getline(stream, part, separator);) parts.push_back(part);
  return parts;
}

std::vector<int64_t> parseList(const std::string& name, const std::string& text) {
  std::vector<int64_t> values;
  for (const std::string& part : split(text, ',')) values.push_back(parse<int64_t>(name, part));
  return values;
}

}  // namespace

Flags::Flags(int count, const char* const* arguments) {
  for (int i = 0; i < count; i += 2) {
    const std::string name = arguments[i];
    if (name.rfind("--", 0) != 0 || i + 1 == count) {
      throw Error("ERR_INVALID_ARGUMENT", "expected pairs of --name and value, found '" + name + "'");
    }
    values_[name] = arguments[i + 1];
  }
}

const std::string& Flags::text(const std::string& name) const {
  const auto found = values_.find(name);
  if (found == values_.end()) throw Error("ERR_INVALID_ARGUMENT", "expected " + name + ", found none");
  return found->second;
}

int64_t Flags::number(const std::string& name) const {
  return parse<int64_t>(name, text(name));
}

double Flags::real(const std::string& name) const {
  return parse<double>(name, text(name));
}

std::vector<int64_t> Flags::numbers(const std::string& name) const {
  return parseList(name, text(name));
}

std::vector<std::vector<int64_t>> Flags::groups(const std::string& name) const {
  std::vector<std::vector<int64_t>> groups;
  for (const std::string& part : split(text(name), '/')) groups.push_back(parseList(name, part));
  return groups;
}

}  // namespace dinomaly::check
