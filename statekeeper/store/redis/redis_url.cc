#include "statekeeper/store/redis/redis_url.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <string_view>

#include "common/percent_decode.h"

namespace dormouse {
namespace {

constexpr int kServerPort = 6379;
constexpr int kSentinelPort = 26379;
constexpr int kMostReplicas = 100;

bool ParseNumber(std::string_view text, int max, int* number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *number);
  return error == std::errc() && end == text.data() + text.size() && *number >= 0 && *number <= max;
}

bool Decode(std::string_view text, std::string* decoded) {
  std::optional<std::string> out = PercentDecode(text);
  if (out) *decoded = *std::move(out);
  return out.has_value();
}

// Takes "USER:PASSWORD@" or "USER@" off the front of `*rest`.
bool TakeLogin(std::string_view* rest, RedisUrl* url) {
  const size_t at = rest->substr(0, rest->find('/')).rfind('@');
  if (at == std::string_view::npos) return true;
  const std::string_view login = rest->substr(0, at);
  rest->remove_prefix(at + 1);
  const size_t colon = login.find(':');
  if (!Decode(login.substr(0, colon), &url->user)) return false;
  if (colon == std::string_view::npos) return !url->user.empty();
  return Decode(login.substr(colon + 1), &url->password) && !url->password.empty();
}

// Takes "?NAME=VALUE&..." off the end of `*rest`.
bool TakeSettings(std::string_view* rest, RedisUrl* url, std::string* error) {
  const size_t question = rest->find('?');
  if (question == std::string_view::npos) return true;
  std::string_view settings = rest->substr(question + 1);
  *rest = rest->substr(0, question);
  while (!settings.empty()) {
    const std::string_view setting = settings.substr(0, settings.find('&'));
    settings.remove_prefix(std::min(settings.size(), setting.size() + 1));
    const size_t equals = setting.find('=');
    const std::string_view name = setting.substr(0, equals);
    const std::string_view value = equals == std::string_view::npos ? "" : setting.substr(equals + 1);
    const bool sentinel = url->kind == RedisUrl::Kind::kSentinel;
    if (name == "wait-replicas") {
      if (!ParseNumber(value, kMostReplicas, &url->wait_replicas)) {
        *error = "wait-replicas in a Redis URL is a number of replicas, e.g. wait-replicas=1.";
        return false;
      }
    } else if (sentinel && (name == "sentinel-user" || name == "sentinel-password")) {
      std::string* into = name == "sentinel-user" ? &url->sentinel_user : &url->sentinel_password;
      if (!Decode(value, into) || into->empty()) {
        *error =
            "sentinel-user and sentinel-password in a Redis URL need a value, special characters as %XX.";
        return false;
      }
    } else {
      *error =
          "After the '?' of a Redis URL may stand wait-replicas=N and, where it begins with "
          "redis+sentinel://, "
          "sentinel-user=USER and sentinel-password=PASSWORD.";
      return false;
    }
  }
  return true;
}

// "HOST[:PORT]"
bool ParseHost(std::string_view text, int default_port, RedisUrl* url, std::string* error) {
  RedisAddress address{"", default_port};
  const size_t after_host = text.starts_with('[') ? text.find(']') : 0;
  const size_t colon = after_host == std::string_view::npos ? after_host : text.find(':', after_host);
  if (colon != std::string_view::npos) {
    if (!ParseNumber(text.substr(colon + 1), 65'535, &address.port) || address.port == 0) {
      *error = "A port in a Redis URL must be a number from 1 to 65535.";
      return false;
    }
    text = text.substr(0, colon);
  }
  if (text.starts_with('[') && text.ends_with(']')) text = text.substr(1, text.size() - 2);
  address.host = text;
  if (address.host.empty()) {
    *error = "A Redis URL names a host: redis://HOST:PORT.";
    return false;
  }
  url->hosts.push_back(std::move(address));
  return true;
}

bool ParseDatabase(std::string_view text, RedisUrl* url, std::string* error) {
  if (text.empty() || ParseNumber(text, 1'000'000, &url->database)) return true;
  *error = "The part after the last '/' of a Redis URL is the number of the database, e.g. 0.";
  return false;
}

// "HOST[:PORT][,...][/SERVICE][/DB]"
bool ParseNetwork(std::string_view rest, RedisUrl* url, std::string* error) {
  const size_t slash = rest.find('/');
  std::string_view hosts = rest.substr(0, slash);
  std::string_view path = slash == std::string_view::npos ? "" : rest.substr(slash + 1);
  const bool sentinel = url->kind == RedisUrl::Kind::kSentinel;
  do {
    const std::string_view host = hosts.substr(0, hosts.find(','));
    if (!ParseHost(host, sentinel ? kSentinelPort : kServerPort, url, error)) return false;
    hosts.remove_prefix(std::min(hosts.size(), host.size() + 1));
  } while (!hosts.empty());

  switch (url->kind) {
    case RedisUrl::Kind::kServer:
      if (url->hosts.size() > 1) {
        *error =
            "A redis:// URL names one server. For a Redis Cluster write redis+cluster://HOST:PORT,HOST:PORT, "
            "for "
            "sentinels redis+sentinel://HOST:PORT,HOST:PORT/SERVICE.";
        return false;
      }
      return ParseDatabase(path, url, error);
    case RedisUrl::Kind::kCluster:
      if (path.empty()) return true;
      *error = "A Redis Cluster has no databases: nothing follows the hosts of a redis+cluster:// URL.";
      return false;
    default: {
      const std::string_view service = path.substr(0, path.find('/'));
      if (!Decode(service, &url->service) || url->service.empty()) {
        *error =
            "A redis+sentinel:// URL names the service, as the sentinels call it: "
            "redis+sentinel://HOST:PORT,HOST:PORT/SERVICE.";
        return false;
      }
      path.remove_prefix(std::min(path.size(), service.size() + 1));
      return ParseDatabase(path, url, error);
    }
  }
}

const std::map<std::string, RedisUrl::Kind, std::less<>> kKinds = {
    {"redis", RedisUrl::Kind::kServer},
    {"redis+unix", RedisUrl::Kind::kUnixSocket},
    {"redis+sentinel", RedisUrl::Kind::kSentinel},
    {"redis+cluster", RedisUrl::Kind::kCluster}};

}  // namespace

std::string RedisAddress::ToString() const {
  const bool ipv6 = host.find(':') != std::string::npos;
  return (ipv6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

std::string RedisUrl::Address() const {
  if (!unix_path.empty()) return unix_path;
  std::string text;
  for (const RedisAddress& host : hosts) text.append(text.empty() ? "" : ",").append(host.ToString());
  return service.empty() ? text : text + "/" + service;
}

std::optional<RedisUrl> ParseRedisUrl(const std::string& url, std::string* error) {
  RedisUrl parsed;
  std::string_view rest = url;
  const size_t scheme_end = rest.find("://");
  const std::string_view scheme = scheme_end == std::string_view::npos ? "" : rest.substr(0, scheme_end);
  parsed.tls = scheme.starts_with("rediss");
  // What is left when the s is taken out.
  const auto kind = kKinds.find(parsed.tls ? "redis" + std::string(scheme.substr(6)) : std::string(scheme));
  if (kind == kKinds.end() || (parsed.tls && kind->second == RedisUrl::Kind::kUnixSocket)) {
    *error =
        "A Redis URL begins with redis://, redis+sentinel:// or redis+cluster://, or over TLS rediss://, "
        "rediss+sentinel:// or rediss+cluster://; or with redis+unix://.";
    return std::nullopt;
  }
  parsed.kind = kind->second;
  rest.remove_prefix(scheme_end + 3);
  if (!TakeLogin(&rest, &parsed)) {
    *error =
        "The login in a Redis URL is written USER:PASSWORD@, :PASSWORD@ or, with the password in "
        "store-password-file, USER@; special characters as %XX.";
    return std::nullopt;
  }
  if (!TakeSettings(&rest, &parsed, error)) return std::nullopt;
  if (parsed.kind != RedisUrl::Kind::kUnixSocket) {
    if (!ParseNetwork(rest, &parsed, error)) return std::nullopt;
  } else if (!Decode(rest, &parsed.unix_path) || !parsed.unix_path.starts_with('/')) {
    *error = "A redis+unix:// URL names a socket by its full path: redis+unix:///run/redis/redis.sock.";
    return std::nullopt;
  }
  return parsed;
}

}  // namespace dormouse
