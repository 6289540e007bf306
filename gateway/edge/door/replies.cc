#include "gateway/edge/door/replies.h"

#include <fmt/format.h>

#include <utility>

namespace dormouse::edge {

HttpReply Refusal(int status, std::string body) { return {.status = status, .body = std::move(body)}; }

HttpReply NotFound(std::string_view path, const Router& router, bool has_page) {
  return Refusal(404, fmt::format("There is nothing at {}. WebSockets open at {}{}.\n", path.substr(0, 200),
                                  router.Describe(), has_page ? "; the web client is at /" : ""));
}

HttpReply BadHubName() {
  return Refusal(404,
                 "A hub's name is 1-128 characters of A-Z a-z 0-9 . _ ~ -, and not . or ..; choose such a "
                 "name in the path.\n");
}

HttpReply UpgradeRequired(std::string body) {
  return {.status = 426,
          .body = std::move(body),
          .headers = {{"Upgrade", "websocket"}, {"Sec-WebSocket-Version", "13"}}};
}

HttpReply Busy(std::string body) {
  return {.status = 503, .body = std::move(body), .headers = {{"Retry-After", "1"}}};
}

}  // namespace dormouse::edge
