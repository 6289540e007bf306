// What the door answers in more than one place. Each says what to do instead. Pure functions; any thread.
#pragma once

#include <string>
#include <string_view>

#include "common/http/http_reply.h"
#include "gateway/edge/door/router.h"

namespace dormouse::edge {

HttpReply Refusal(int status, std::string body);
HttpReply NotFound(std::string_view path, const Router& router);
HttpReply BadHubName();
HttpReply UpgradeRequired(std::string body);
// 503: another gateway, or the same in a second, may take it.
HttpReply Busy(std::string body);

}  // namespace dormouse::edge
