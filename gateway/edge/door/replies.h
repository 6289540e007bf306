// What the door answers in more than one place. Each says what to do instead. Pure functions; any thread.
#pragma once

#include <string>
#include <string_view>

#include "common/http/http_reply.h"
#include "gateway/edge/door/router.h"

namespace dormouse::edge {

HttpReply Refusal(int status, std::string body);
// `has_page`: whether the web client is at /.
HttpReply NotFound(std::string_view path, const Router& router, bool has_page);
HttpReply BadHubName();
HttpReply UpgradeRequired(std::string body);
// 503: another gateway, or the same in a second, may take it.
HttpReply Busy(std::string body);

}  // namespace dormouse::edge
