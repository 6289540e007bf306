#include "common/http/http_response.h"

#include <algorithm>

namespace dormouse {
namespace {

bool ReadStatusLine(std::string_view line, HttpResponse* response) {
  const std::string_view version = TakeUntil(" ", &line);
  if (version != "HTTP/1.1" && version != "HTTP/1.0") return false;
  response->minor_version = version.back() - '0';
  const std::string_view status = TakeUntil(" ", &line);
  if (status.size() != 3 || status.front() == '0' || !IsContentLength(status)) return false;
  response->status = 0;
  for (const char digit : status) response->status = 10 * response->status + (digit - '0');
  response->reason = line;
  return IsFieldContent(line);
}

bool ReadField(std::string_view line, HttpResponse* response) {
  if (line.find(':') == std::string_view::npos) return false;
  const std::string_view name = TakeUntil(":", &line);
  response->headers.emplace_back(name, TrimBlanks(line));
  return IsHttpToken(name) && IsFieldContent(line);
}

}  // namespace

bool ParseHttpResponse(std::string_view head, HttpResponse* response) {
  *response = {};
  if (!ReadStatusLine(TakeUntil("\r\n", &head), response)) return false;
  while (!head.empty()) {
    const std::string_view line = TakeUntil("\r\n", &head);
    if (line.empty()) return head.empty();
    if (!ReadField(line, response)) return false;
  }
  return false;
}

}  // namespace dormouse
