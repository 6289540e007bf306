// Fuzz target: the head of a request. Whatever arrives, in whatever pieces.
#include <string_view>

#include "common/http/http_request.h"
#include "tests/fuzz/fuzz_target.h"

namespace dormouse {
namespace {

constexpr auto npos = std::string_view::npos;

bool Within(std::string_view part, std::string_view whole) {
  return part.empty() ||
         (part.data() >= whole.data() && part.data() + part.size() <= whole.data() + whole.size());
}

void ExpectWithin(const HttpRequest& request, std::string_view head) {
  for (const std::string_view part : {request.method, request.path, request.query}) {
    Demand(Within(part, head), "views lie within the input");
  }
  for (const auto& [name, value] : request.headers) {
    Demand(Within(name, head) && Within(value, head), "headers lie within the input");
    Demand(IsHttpToken(name), "a header's name is a token");
    Demand(value.find('\0') == npos, "no value has a NUL");
  }
}

std::string Written(const HttpRequest& request) {
  std::string out(request.method);
  out.append(" ").append(request.path);
  if (!request.query.empty()) out.append("?").append(request.query);
  out.append(" HTTP/1.").append(std::to_string(request.minor_version)).append("\r\n");
  for (const auto& [name, value] : request.headers)
    out.append(name).append(": ").append(value).append("\r\n");
  return out.append("\r\n");
}

void ExpectSame(const HttpRequest& a, const HttpRequest& b) {
  Demand(a.method == b.method && a.path == b.path && a.query == b.query &&
             a.minor_version == b.minor_version && a.headers == b.headers,
         "what is written from a request is read as that request");
}

}  // namespace

std::vector<std::string> FuzzSeeds() {
  return {
      "GET /ws/room?token=1&x=?y HTTP/1.1\r\nHost: a:1\r\nConnection: keep-alive, Upgrade\r\n"
      "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: "
      "dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
      "HEAD / HTTP/1.0\r\n\r\n",
  };
}

}  // namespace dormouse

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using dormouse::HttpRequest;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const size_t end = dormouse::FindHeadEnd(bytes, 0);
  dormouse::Demand(end <= size, "a head ends within the input");
  const std::string_view head = bytes.substr(0, end);
  HttpRequest request;
  if (!dormouse::ParseHttpRequest(head, &request)) return 0;
  dormouse::ExpectWithin(request, head);
  const std::string written = dormouse::Written(request);
  HttpRequest again;
  dormouse::Demand(dormouse::ParseHttpRequest(written, &again), "what is written is a request");
  dormouse::ExpectSame(request, again);
  return 0;
}
