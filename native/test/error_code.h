// Which error a call ends with.
#pragma once

#include <string>

#include "core/error.h"

namespace dinomaly {

/// The code of the Error that `call` throws, or "" when it throws none.
template <typename Call>
std::string errorCode(Call call) {
  try {
    call();
  } catch (const Error& error) {
    return error.code();
  }
  return "";
}

}  // namespace dinomaly
