// Where a Redis server is and how to log in, read from a URL:
//
//   redis://[USER:PASSWORD@]HOST[:PORT][/DB]      HOST may be a name, an IPv4 address or an [IPv6] one
//   redis+unix://[USER:PASSWORD@]PATH
//
// User, password and path are percent-decoded; without USER (":PASSWORD@") Redis' default user is meant.
#pragma once

#include <optional>
#include <string>

namespace dormouse {

struct RedisUrl {
  std::string host;  // or
  std::string unix_path;
  int port = 6379;
  std::string user;
  std::string password;  // empty: no login
  int database = 0;

  // "HOST:PORT" or the path: for messages; never shows the password.
  std::string Address() const;
};

// On failure returns nothing and sets `*error` to a sentence that does not show the password.
std::optional<RedisUrl> ParseRedisUrl(const std::string& url, std::string* error);

}  // namespace dormouse
