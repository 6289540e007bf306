#include "gateway/edge/door/http_pages.h"

#include <fmt/format.h>

#include <string_view>

#include "common/clock.h"
#include "gateway/edge/door/replies.h"

namespace dormouse::edge {
namespace {

constexpr std::string_view kHealthPath = "/health";
constexpr std::string_view kLibraryPath = "/dormouse/";
constexpr std::string_view kMethods = "GET, HEAD, OPTIONS";
constexpr std::string_view kHealthMethods = "GET, HEAD, POST, OPTIONS";

bool IsGet(const HttpRequest& request) { return request.method == "GET" || request.method == "HEAD"; }

HttpReply MethodNotAllowed(std::string_view allowed) {
  return {.status = 405,
          .body = fmt::format("Only {} is answered here.\n", allowed),
          .headers = {{"Allow", std::string(allowed)}}};
}

// For whoever asks, pages of other origins included.
HttpReply Health() {
  return {.content_type = "application/json",
          .body = fmt::format(R"({{"status":"ok","service":"signal-hub","version":"{}","timestamp":{}}})",
                              DORMOUSE_VERSION, WallMs()),
          .headers = {{"Access-Control-Allow-Origin", "*"},
                      {"Access-Control-Allow-Methods", std::string(kHealthMethods)},
                      {"Access-Control-Allow-Headers", "*"}}};
}

}  // namespace

bool HttpPages::WantsWebSocket(const HttpRequest& request) {
  return IsGet(request) && request.path != kHealthPath && request.WantsWebSocket();
}

HttpReply HttpPages::Answer(const HttpRequest& request) {
  const bool is_options = request.method == "OPTIONS";
  if (request.path == kHealthPath) {
    return IsGet(request) || is_options || request.method == "POST" ? Health()
                                                                    : MethodNotAllowed(kHealthMethods);
  }
  if (is_options) return Options(request);
  return IsGet(request) ? Get(request) : MethodNotAllowed(kMethods);
}

bool HttpPages::IsNotForApp(const HttpRequest& request) const {
  const std::string_view path = request.path;
  if (path == kHealthPath || path == "*" || path.starts_with(kLibraryPath)) return true;
  return path != "/" && router_->Find(path).result != Router::Result::kUnknownPath;
}

// Load balancers ask so whether anybody is there (HAProxy's option httpchk), with any path.
HttpReply HttpPages::Options(const HttpRequest& request) {
  HttpReply reply = request.path == "*" ? HttpReply{} : Get(request);
  if (reply.status == 404) return reply;
  return {.headers = {{"Allow", std::string(request.path == "*" ? kHealthMethods : kMethods)}}};
}

HttpReply HttpPages::Get(const HttpRequest& request) {
  if (const StaticFiles::File* file = files_.Find(request.path)) {
    return {.content_type = file->content_type, .body = file->content};
  }
  switch (router_->Find(request.path).result) {
    case Router::Result::kBadName:
      return BadHubName();
    case Router::Result::kFound:
      if (request.path == "/") break;
      return UpgradeRequired("This is the address of a WebSocket; open it with one (ws:// or wss://).\n");
    case Router::Result::kUnknownPath:
      break;
  }
  return NotFound(request.path, *router_, files_.Find("/") != nullptr);
}

}  // namespace dormouse::edge
