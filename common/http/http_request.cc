#include "common/http/http_request.h"

#include <algorithm>
#include <string>

namespace dormouse {
namespace {

char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c; }

std::string_view Trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

// Takes the text up to `end` off the front; what is left starts after it. All of it where there is no `end`.
std::string_view TakeUntil(std::string_view end, std::string_view* rest) {
  const size_t at = rest->find(end);
  const std::string_view taken = rest->substr(0, at);
  *rest = at == std::string_view::npos ? std::string_view() : rest->substr(at + end.size());
  return taken;
}

bool IsVisible(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) > 0x20 && c != 0x7f; });
}

int HexValue(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  c = Lower(c);
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

}  // namespace

bool EqualsIgnoringCase(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return Lower(x) == Lower(y); });
}

bool IsHttpToken(std::string_view text) {
  constexpr std::string_view kSymbols = "!#$%&'*+-.^_`|~";
  return !text.empty() && std::all_of(text.begin(), text.end(), [&](char c) {
    return (c >= '0' && c <= '9') || (Lower(c) >= 'a' && Lower(c) <= 'z') ||
           kSymbols.find(c) != std::string_view::npos;
  });
}

std::optional<std::string_view> HttpRequest::Header(std::string_view name) const {
  for (const auto& [key, value] : headers) {
    if (EqualsIgnoringCase(key, name)) return value;
  }
  return std::nullopt;
}

std::vector<std::string_view> HttpRequest::ListItems(std::string_view name) const {
  std::vector<std::string_view> items;
  for (const auto& [key, value] : headers) {
    if (!EqualsIgnoringCase(key, name)) continue;
    for (std::string_view rest = value; !rest.empty();) {
      const std::string_view item = Trim(TakeUntil(",", &rest));
      if (!item.empty()) items.push_back(item);
    }
  }
  return items;
}

bool HttpRequest::HasToken(std::string_view name, std::string_view token) const {
  const std::vector<std::string_view> items = ListItems(name);
  return std::any_of(items.begin(), items.end(),
                     [&](std::string_view item) { return EqualsIgnoringCase(item, token); });
}

size_t FindHeadEnd(std::string_view bytes, size_t from) {
  const size_t at = bytes.find("\r\n\r\n", from < 3 ? 0 : from - 3);
  return at == std::string_view::npos ? 0 : at + 4;
}

bool ParseHttpRequest(std::string_view head, HttpRequest* request) {
  std::string_view line = TakeUntil("\r\n", &head);
  request->method = TakeUntil(" ", &line);
  std::string_view target = TakeUntil(" ", &line);
  if (line != "HTTP/1.1" && line != "HTTP/1.0") return false;
  request->minor_version = line.back() - '0';
  if (!IsHttpToken(request->method) || target.empty() || target.front() != '/' || !IsVisible(target))
    return false;
  request->path = TakeUntil("?", &target);
  request->query = target;

  request->headers.clear();
  while (!head.empty()) {
    std::string_view value = TakeUntil("\r\n", &head);
    if (value.empty()) return true;
    if (value.find(':') == std::string_view::npos) return false;
    const std::string_view name = TakeUntil(":", &value);
    if (!IsHttpToken(name) || value.find('\0') != std::string_view::npos) return false;
    request->headers.emplace_back(name, Trim(value));
  }
  return false;
}

std::optional<std::string> PercentDecode(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out.push_back(text[i]);
      continue;
    }
    if (i + 2 >= text.size()) return std::nullopt;
    const int high = HexValue(text[i + 1]);
    const int low = HexValue(text[i + 2]);
    if (high < 0 || low < 0) return std::nullopt;
    out.push_back(static_cast<char>(high * 16 + low));
    i += 2;
  }
  return out;
}

}  // namespace dormouse
