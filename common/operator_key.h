// How operators, and statekeepers among themselves, prove that they have the secret of admin-key: with a JSON
// Web Token (HS256, iss and aud "dormouse-admin") that is good for a minute, so that one that was overheard
// soon is worth nothing. The secret itself never travels, and is part of no text that comes from here.
//
// Immutable; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "common/token_keys.h"

namespace dormouse {

class OperatorKey {
 public:
  // `option`: under which the user named the file, without dashes. Nothing: `*wrong` is a sentence that names
  // both.
  static std::optional<OperatorKey> Read(const std::string& option, const std::string& path,
                                         std::string* wrong);

  std::string NewToken(int64_t now_ms) const;

  // Empty: a token of this key, now. Else a sentence; it repeats nothing of the token.
  std::string WhyRefused(std::string_view token, int64_t now_ms) const;

 private:
  explicit OperatorKey(const std::string& secret);
  TokenKeys keys_;
};

}  // namespace dormouse
