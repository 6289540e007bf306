#include "statekeeper/store/redis_url.h"

#include <charconv>
#include <string_view>

namespace dormouse {
namespace {

constexpr std::string_view kTcp = "redis://";
constexpr std::string_view kUnix = "redis+unix://";

bool ParseNumber(std::string_view text, int max, int* number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *number);
  return error == std::errc() && end == text.data() + text.size() && *number >= 0 && *number <= max;
}

bool PercentDecode(std::string_view text, std::string* decoded) {
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      decoded->push_back(text[i]);
      continue;
    }
    const std::string_view digits = text.substr(i + 1, 2);
    unsigned byte = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), byte, 16);
    if (digits.size() != 2 || error != std::errc() || end != digits.data() + 2) return false;
    decoded->push_back(static_cast<char>(byte));
    i += 2;
  }
  return true;
}

// Takes "USER:PASSWORD@" off the front of `*rest`.
bool TakeLogin(std::string_view* rest, size_t authority_end, RedisUrl* url) {
  const size_t at = rest->substr(0, authority_end).rfind('@');
  if (at == std::string_view::npos) return true;
  const std::string_view login = rest->substr(0, at);
  rest->remove_prefix(at + 1);
  const size_t colon = login.find(':');
  return colon != std::string_view::npos && PercentDecode(login.substr(0, colon), &url->user) &&
         PercentDecode(login.substr(colon + 1), &url->password) && !url->password.empty();
}

// "HOST[:PORT][/DB]"
bool ParseHost(std::string_view rest, RedisUrl* url, std::string* error) {
  const size_t slash = rest.find('/');
  std::string_view host = rest.substr(0, slash);
  if (slash != std::string_view::npos && slash + 1 < rest.size() &&
      !ParseNumber(rest.substr(slash + 1), 1'000'000, &url->database)) {
    *error = "The part after the last '/' of a redis:// URL is the number of the database, e.g. 0.";
    return false;
  }
  const size_t after_host = host.starts_with('[') ? host.find(']') : 0;
  const size_t colon = after_host == std::string_view::npos ? after_host : host.find(':', after_host);
  if (colon != std::string_view::npos) {
    if (!ParseNumber(host.substr(colon + 1), 65'535, &url->port) || url->port == 0) {
      *error = "The port of a redis:// URL must be a number from 1 to 65535.";
      return false;
    }
    host = host.substr(0, colon);
  }
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  url->host = host;
  if (url->host.empty()) *error = "A redis:// URL names a host: redis://HOST:PORT.";
  return !url->host.empty();
}

}  // namespace

std::string RedisUrl::Address() const {
  if (!unix_path.empty()) return unix_path;
  const bool ipv6 = host.find(':') != std::string::npos;
  return (ipv6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

std::optional<RedisUrl> ParseRedisUrl(const std::string& url, std::string* error) {
  RedisUrl parsed;
  std::string_view rest = url;
  const bool tcp = rest.starts_with(kTcp);
  if (!tcp && !rest.starts_with(kUnix)) {
    *error = "A Redis URL begins with redis:// or redis+unix://.";
    return std::nullopt;
  }
  rest.remove_prefix(tcp ? kTcp.size() : kUnix.size());
  if (!TakeLogin(&rest, rest.find('/'), &parsed)) {
    *error = "The login in a Redis URL is written USER:PASSWORD@ (or :PASSWORD@), special characters as %XX.";
    return std::nullopt;
  }
  if (tcp) {
    if (!ParseHost(rest, &parsed, error)) return std::nullopt;
  } else if (!PercentDecode(rest, &parsed.unix_path) || !parsed.unix_path.starts_with('/')) {
    *error = "A redis+unix:// URL names a socket by its full path: redis+unix:///run/redis/redis.sock.";
    return std::nullopt;
  }
  return parsed;
}

}  // namespace dormouse
