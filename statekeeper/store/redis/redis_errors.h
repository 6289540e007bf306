// The errors with which Redis answers.
#pragma once

#include <string_view>

namespace dormouse {

// Errors begin with a code: "MOVED 3999 127.0.0.1:6381".
inline bool IsErrorCode(std::string_view error, std::string_view code) {
  return error.starts_with(code) && (error.size() == code.size() || error[code.size()] == ' ');
}

// As it may be shown: of a command that it does not know Redis repeats the arguments, be they a password.
inline std::string_view WithoutArguments(std::string_view error) {
  return error.substr(0, error.find(", with args beginning with"));
}

// The server cannot serve this now, but it, or another one, will later.
inline bool SaysAway(std::string_view error) {
  for (const std::string_view code :
       {"LOADING", "MASTERDOWN", "READONLY", "TRYAGAIN", "BUSY", "CLUSTERDOWN", "NOREPLICAS"}) {
    if (IsErrorCode(error, code)) return true;
  }
  return false;
}

// The server is there, and refuses whatever may need memory, or disk, until somebody makes room.
inline bool SaysFull(std::string_view error) {
  // Before Redis 7 what a script met stands in the middle.
  return IsErrorCode(error, "OOM") || IsErrorCode(error, "MISCONF") ||
         error.find(" -OOM ") != std::string_view::npos || error.find(" -MISCONF ") != std::string_view::npos;
}

}  // namespace dormouse
