#include "common/http/request_target.h"

#include <algorithm>
#include <charconv>

#include "common/http/http_request.h"
#include "common/http/ip_address.h"
#include "common/percent_decode.h"

namespace dormouse {
namespace {

bool IsAlphanumeric(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

// A byte of UTF-8 has no place here either, but is harmless and sent by many.
bool IsVisible(char c) { return static_cast<unsigned char>(c) > 0x20 && c != 0x7f; }

bool IsName(std::string_view text) {
  constexpr std::string_view kSymbols = "-._~!$&'()*+,;=%";
  if (text.find('%') != std::string_view::npos && !PercentDecode(text).has_value()) return false;
  return !text.empty() && std::all_of(text.begin(), text.end(), [&](char c) {
    return IsAlphanumeric(c) || kSymbols.find(c) != std::string_view::npos;
  });
}

bool IsWebScheme(std::string_view text) {
  constexpr std::string_view kSchemes[] = {"http", "https", "ws", "wss"};
  return std::any_of(std::begin(kSchemes), std::end(kSchemes),
                     [&](std::string_view scheme) { return EqualsIgnoringCase(scheme, text); });
}

void SplitPath(std::string_view text, RequestTarget* target) {
  const size_t question = text.find('?');
  target->path = text.substr(0, question);
  target->query = question == std::string_view::npos ? std::string_view() : text.substr(question + 1);
}

}  // namespace

bool IsPort(std::string_view text) {
  unsigned port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  return error == std::errc() && end == text.data() + text.size() && port <= 65'535;
}

bool IsHostAndPort(std::string_view text) {
  size_t host_end = text.find(':');
  if (text.starts_with('[')) {
    const size_t bracket = text.find(']');
    if (bracket == std::string_view::npos) return false;
    const std::string_view address = text.substr(1, bracket - 1);
    host_end = bracket + 1;
    if (address.find(':') == std::string_view::npos || !IpAddress::Parse(address).has_value()) return false;
    if (host_end < text.size() && text[host_end] != ':') return false;
  } else if (!IsName(text.substr(0, host_end))) {
    return false;
  }
  if (host_end >= text.size()) return true;
  const std::string_view port = text.substr(host_end + 1);
  return port.empty() || IsPort(port);  // "host:" is written, too
}

const char* ReadTarget(std::string_view method, std::string_view text, RequestTarget* target) {
  constexpr const char* kNone = "This is not an HTTP/1.1 request; send GET with a path.\n";
  *target = {};
  if (text.empty() || !std::all_of(text.begin(), text.end(), IsVisible)) return kNone;
  if (text.find('#') != std::string_view::npos)
    return "What follows # stays with the client; leave it out of the request.\n";
  if (text == "*") {
    if (method != "OPTIONS") return "Only OPTIONS may ask for *; send a path.\n";
    target->path = text;
    return nullptr;
  }
  if (text.front() == '/') {
    SplitPath(text, target);
    return nullptr;
  }
  const size_t colon = text.find("://");
  if (colon == std::string_view::npos || !IsWebScheme(text.substr(0, colon))) return kNone;
  text.remove_prefix(colon + 3);
  const size_t authority_end = std::min(text.find_first_of("/?"), text.size());
  target->authority = text.substr(0, authority_end);
  if (!IsHostAndPort(target->authority))
    return "The request's target names no host; write HOST or HOST:PORT.\n";
  SplitPath(text.substr(authority_end), target);
  // The server itself (RFC 9112, 3.2.4); else "http://host" is "http://host/".
  if (target->path.empty()) target->path = method == "OPTIONS" && authority_end == text.size() ? "*" : "/";
  return nullptr;
}

}  // namespace dormouse
