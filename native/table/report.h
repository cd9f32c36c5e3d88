// What checks print: a line for each that failed, or for all, and at the end how many.
#pragma once

#include <cstdint>
#include <string>

namespace dinomaly::table {

class Report {
 public:
  explicit Report(bool verbose) : verbose_(verbose) {}

  /// problem: empty where the check passed. detail: shown where all are.
  void add(const std::string& check, const std::string& problem, const std::string& detail);
  void printSum() const;
  int64_t failed() const { return failed_; }
  int64_t checks() const { return passed_ + failed_; }

 private:
  bool verbose_;
  int64_t passed_ = 0, failed_ = 0;
};

}  // namespace dinomaly::table
