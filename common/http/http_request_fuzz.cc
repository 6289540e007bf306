// Fuzz target: the head of a request. Whatever arrives, in whatever pieces.
#include <string_view>

#include "common/http/http_request.h"
#include "tests/fuzz/fuzz_target.h"

namespace dormouse {
namespace {

bool Within(std::string_view part, std::string_view whole) {
  return part.empty() ||
         (part.data() >= whole.data() && part.data() + part.size() <= whole.data() + whole.size());
}

void ExpectSound(const HttpRequest& request, std::string_view head) {
  for (const std::string_view part : {request.method, request.authority, request.query}) {
    Demand(Within(part, head), "views lie within the input");
  }
  Demand(Within(request.path, head) || request.path == "/" || request.path == "*",
         "the path does, or is a literal");
  Demand(request.path.starts_with('/') || (request.path == "*" && request.method == "OPTIONS"),
         "a path is one");
  Demand(request.minor_version == 0 || !request.authority.empty(), "HTTP/1.1 asks somebody");
  Demand(request.headers.size() <= 100, "headers are so many");
  for (const auto& [name, value] : request.headers) {
    Demand(Within(name, head) && Within(value, head), "headers lie within the input");
    Demand(IsHttpToken(name), "a header's name is a token");
    for (const char c : value) Demand(c == '\t' || (c & 0xe0) != 0, "values have no control characters");
    Demand(value.empty() || (value.front() != ' ' && value.back() != ' '), "values are trimmed");
  }
  Demand(IsHttpToken(request.method), "a method is a token");
  for (const std::string_view text : {request.path, request.query}) {
    for (const char c : text)
      Demand(c != ' ' && c != '#' && (c & 0xe0) != 0, "a target has no such characters");
  }
}

std::string Written(const HttpRequest& request) {
  std::string out(request.method);
  out.append(" ");
  if (!request.authority.empty()) out.append("http://").append(request.authority);
  if (request.authority.empty() || request.path != "*") out.append(request.path);
  if (!request.query.empty()) out.append("?").append(request.query);
  out.append(" HTTP/1.").append(std::to_string(request.minor_version)).append("\r\n");
  for (const auto& [name, value] : request.headers)
    out.append(name).append(": ").append(value).append("\r\n");
  return out.append("\r\n");
}

void ExpectSame(const HttpRequest& a, const HttpRequest& b) {
  Demand(a.method == b.method && a.authority == b.authority && a.path == b.path && a.query == b.query &&
             a.minor_version == b.minor_version && a.has_body == b.has_body && a.headers == b.headers,
         "what is written from a request is read as that request");
}

}  // namespace

std::vector<std::string> FuzzSeeds() {
  const std::string upgrade =
      "Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
  const std::string posted = "Host: [::1]\r\nContent-Length: 12\r\n\r\n{\"a\": true}\n";
  return {
      "GET /ws/room?token=1&x=?y HTTP/1.1\r\nHost: a:1\r\n" + upgrade,
      "HEAD / HTTP/1.0\r\n\r\n",
      "\r\n\r\nPOST https://[2001:db8::1]:443/health HTTP/1.1\r\n" + posted,
      "OPTIONS * HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nOrigin: http://a.example\r\n\r\n",
      "OPTIONS ws://a HTTP/1.1\r\nHost:\ta.example:\t \r\nX:\r\n\r\n",
  };
}

}  // namespace dormouse

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using dormouse::Demand;
  using dormouse::HttpRequest;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const size_t end = dormouse::FindHeadEnd(bytes, 0);
  Demand(end <= size, "a head ends within the input");
  const size_t half = (end == 0 ? size : end) / 2;
  Demand(dormouse::FindHeadEnd(bytes.substr(0, half), 0) == 0, "it has one end");
  Demand(dormouse::FindHeadEnd(bytes, half) == end, "which is found in pieces, too");
  // Also what has no end.
  const std::string_view head = end == 0 ? bytes : bytes.substr(0, end);
  HttpRequest request;
  dormouse::HttpReply refusal;
  if (!dormouse::ParseHttpRequest(head, &request, &refusal)) {
    Demand(refusal.status >= 400 && refusal.body.ends_with(".\n"), "a refusal says why");
    return 0;
  }
  dormouse::ExpectSound(request, head);
  const std::string written = dormouse::Written(request);
  HttpRequest again;
  Demand(dormouse::ParseHttpRequest(written, &again, &refusal), "what is written is a request");
  Demand(dormouse::FindHeadEnd(written, 0) == written.size(), "with an end");
  dormouse::ExpectSame(request, again);
  return 0;
}
