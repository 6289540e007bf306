#include "gateway/edge/door/upgrade_auth.h"

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace dormouse::edge {
namespace {

constexpr std::string_view kScheme = "bearer ";

// `error`: of RFC 6750, 3.1; empty where no token was given, as that section asks for.
HttpReply BearerRefusal(int status, const std::string& error, std::string body) {
  std::string challenge = "Bearer realm=\"dormouse\"";
  if (!error.empty()) challenge += ", error=\"" + error + "\"";
  return {.status = status, .body = std::move(body), .headers = {{"WWW-Authenticate", challenge}}};
}

}  // namespace

std::variant<TokenClaims, HttpReply> UpgradeAuth::Check(const HttpRequest& request,
                                                        const OfferedProtocols& offered,
                                                        int64_t now_ms) const {
  std::vector<std::string_view> tokens = offered.tokens;
  for (const auto& [name, value] : request.headers) {
    if (!EqualsIgnoringCase(name, "authorization")) continue;
    // Another scheme, such as Basic, is meant for somebody else on the way.
    if (!EqualsIgnoringCase(value.substr(0, kScheme.size()), kScheme)) continue;
    std::string_view token = value.substr(kScheme.size());
    while (token.starts_with(' ')) token.remove_prefix(1);
    tokens.push_back(token);
  }
  if (tokens.empty()) {
    return BearerRefusal(
        401, "",
        "A token is needed to open a socket here: send Authorization: Bearer TOKEN, or offer the "
        "subprotocol bearer.TOKEN.\n");
  }
  if (tokens.size() > 1) return BearerRefusal(400, "invalid_request", "Send one token, in one place.\n");
  TokenAuthority::Verdict verdict = authority_.Verify(tokens.front(), now_ms);
  if (verdict.claims.has_value()) return std::move(*verdict.claims);
  return BearerRefusal(401, "invalid_token", verdict.problem + "\n");
}

}  // namespace dormouse::edge
