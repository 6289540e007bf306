// The errors with which Redis answers.
#pragma once

#include <algorithm>
#include <array>
#include <string_view>

namespace dormouse {

// Errors begin with a code: "MOVED 3999 127.0.0.1:6381".
inline bool IsErrorCode(std::string_view error, std::string_view code) {
  return error.starts_with(code) && (error.size() == code.size() || error[code.size()] == ' ');
}

// As it may be shown: of a command that it does not know Redis repeats the arguments, be they a password; and of a
// script it names the hash, which says nothing to anybody.
inline std::string_view WithoutArguments(std::string_view error) {
  return error.substr(0, std::min(error.find(", with args beginning with"), error.find(" script: ")));
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

// The server is there, and refuses every change, or what they need, until its state or configuration is another.
inline bool SaysRefusal(std::string_view error) {
  return SaysFull(error) || IsErrorCode(error, "READONLY") || IsErrorCode(error, "NOREPLICAS") ||
         IsErrorCode(error, "NOPERM");
}

// In a cluster: with these a node says nothing of whether it takes changes, only that it is not its turn.
inline bool SaysElsewhere(std::string_view error) {
  constexpr std::array kCodes = {"MOVED", "ASK", "TRYAGAIN", "LOADING", "BUSY", "MASTERDOWN"};
  // Of a slot without a node they say CLUSTERDOWN, too.
  return std::ranges::any_of(kCodes, [&](const char* code) { return IsErrorCode(error, code); }) ||
         (IsErrorCode(error, "CLUSTERDOWN") && error.find("cluster is down") == std::string_view::npos);
}

}  // namespace dormouse
