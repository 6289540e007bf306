#include "gateway/edge/door/origin_list.h"

#include <absl/strings/ascii.h>

#include <algorithm>

#include "common/http/request_target.h"

namespace dormouse::edge {
namespace {

bool IsScheme(std::string_view text) {
  constexpr std::string_view kSymbols = "+-.";
  return !text.empty() && std::all_of(text.begin(), text.end(), [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || kSymbols.find(c) != std::string_view::npos;
  });
}

// Of a name, an IPv4 address or an IPv6 address in brackets; no more than that it is nothing else.
bool IsHost(std::string_view text) {
  constexpr std::string_view kSymbols = "-._[]:";
  return !text.empty() && std::all_of(text.begin(), text.end(), [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || kSymbols.find(c) != std::string_view::npos;
  });
}

}  // namespace

std::optional<OriginList::Origin> OriginList::ParseOrigin(std::string_view text) {
  const size_t colons = text.find("://");
  if (colons == std::string_view::npos) return std::nullopt;
  Origin origin;
  origin.scheme = text.substr(0, colons);
  absl::AsciiStrToLower(&origin.scheme);
  std::string_view host = text.substr(colons + 3);
  const size_t bracket = host.rfind(']');
  const size_t colon = host.find(':', bracket == std::string_view::npos ? 0 : bracket);
  if (colon != std::string_view::npos) {
    origin.port = host.substr(colon + 1);
    if (!IsPort(origin.port)) return std::nullopt;
    host = host.substr(0, colon);
  }
  if ((origin.scheme == "http" && origin.port == "80") || (origin.scheme == "https" && origin.port == "443"))
    origin.port.clear();
  origin.wildcard = host.starts_with("*.");
  if (origin.wildcard) host.remove_prefix(1);
  origin.host = host;
  absl::AsciiStrToLower(&origin.host);
  if (!IsScheme(origin.scheme) || !IsHost(origin.host) || origin.host == ".") return std::nullopt;
  return origin;
}

std::optional<OriginList> OriginList::Parse(const std::vector<std::string>& origins, std::string* wrong) {
  OriginList result;
  for (const std::string& text : origins) {
    auto origin = ParseOrigin(text);
    if (!origin.has_value()) {
      *wrong = "--allowed-origins: '" + text +
               "' is no web origin; write SCHEME://HOST[:PORT] without a path, or SCHEME://*.DOMAIN[:PORT]";
      return std::nullopt;
    }
    result.allowed_.push_back(std::move(*origin));
  }
  return result;
}

bool OriginList::Admits(std::optional<std::string_view> origin) const {
  if (allowed_.empty() || !origin.has_value()) return true;
  const auto asked = ParseOrigin(*origin);
  if (!asked.has_value() || asked->wildcard) return false;
  return std::any_of(allowed_.begin(), allowed_.end(), [&](const Origin& allowed) {
    if (allowed.scheme != asked->scheme || allowed.port != asked->port) return false;
    if (!allowed.wildcard) return allowed.host == asked->host;
    return asked->host.size() > allowed.host.size() && asked->host.ends_with(allowed.host);
  });
}

}  // namespace dormouse::edge
