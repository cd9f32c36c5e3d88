#include "table/report.h"

#include <cstdio>

namespace dinomaly::table {

void Report::add(const std::string& check, const std::string& problem, const std::string& detail) {
  const bool passed = problem.empty();
  ++(passed ? passed_ : failed_);
  if (!passed) std::printf("FAILED  %s: %s\n", check.c_str(), problem.c_str());
  if (passed && verbose_) std::printf("ok      %s: %s\n", check.c_str(), detail.c_str());
  std::fflush(stdout);  // a crash must not swallow what was found
}

void Report::printSum() const {
  std::printf("%lld passed, %lld failed\n", static_cast<long long>(passed_), static_cast<long long>(failed_));
}

}  // namespace dinomaly::table
