// What a client shows to get its session back: CONNECTION.SECRET, the connection at which the session was, so
// that it is found without an index, and 128 random bits. Clients take it as a whole. Only a hash is kept.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "common/ids.h"

namespace dormouse::signal {

struct ResumeToken {
  std::string text;
  std::string hash;  // SHA-256 of the text
  ConnectionId holder;

  static ResumeToken New(const ConnectionId& holder);
  // Nothing: it is no such token.
  static std::optional<ResumeToken> Parse(std::string_view text);
};

}  // namespace dormouse::signal
