// Where Redis is and how to log in, read from a URL:
//
//   redis://[USER:PASSWORD@]HOST[:PORT][/DB]            one server
//   redis+unix://[USER:PASSWORD@]PATH                   one server on this host
//   redis+sentinel://[USER:PASSWORD@]HOST[:PORT][,HOST[:PORT]...]/SERVICE[/DB]
//                                                       the master of SERVICE, as these sentinels name it
//   redis+cluster://[USER:PASSWORD@]HOST[:PORT][,HOST[:PORT]...]
//                                                       a Redis Cluster; some of its nodes, to begin with
//
// rediss:// in place of redis://, as well before "+sentinel" and "+cluster": over TLS, to all of them.
//
// HOST may be a name, an IPv4 address or an [IPv6] one. User, password, path and service are percent-decoded;
// without USER (":PASSWORD@") Redis' default user is meant. "USER@": the password is in a file
// (redis_files.h). The login is that of the servers with the data. At the end may stand, after '?' and joined
// by '&':
//
//   wait-replicas=N           a write counts as done when N replicas have it, too
//   sentinel-user=USER        the login of the sentinels, where they ask for one
//   sentinel-password=PASSWORD
#pragma once

#include <compare>
#include <optional>
#include <string>
#include <vector>

namespace dormouse {

struct RedisAddress {
  std::string host;
  int port = 0;

  std::string ToString() const;  // "HOST:PORT", "[HOST]:PORT" for IPv6
  // NOLINTNEXTLINE(modernize-use-nullptr): as in common/ids.h
  auto operator<=>(const RedisAddress&) const = default;
};

struct RedisUrl {
  enum class Kind { kServer, kUnixSocket, kSentinel, kCluster };

  Kind kind = Kind::kServer;
  bool tls = false;
  // The server; the sentinels; or nodes of the cluster. None: unix_path is meant.
  std::vector<RedisAddress> hosts;
  std::string unix_path;
  std::string service;  // of kSentinel
  std::string user;
  std::string password;  // empty: no login, or it is in a file
  std::string sentinel_user;
  std::string sentinel_password;
  int database = 0;
  int wait_replicas = 0;

  // "HOST:PORT[,HOST:PORT...]" or the path, and the service: for messages; never shows a password.
  std::string Address() const;
};

// On failure returns nothing and sets `*error` to a sentence that does not show the password.
std::optional<RedisUrl> ParseRedisUrl(const std::string& url, std::string* error);

}  // namespace dormouse
