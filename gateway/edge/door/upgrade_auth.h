// Asks who wants to open a socket, before it is open: the token of an upgrade request (RFC 6750), from
// "Authorization: Bearer TOKEN" or, for browsers, from a subprotocol (offered_protocols.h). Never from the
// path or the query, which end up in logs.
//
// No part of a token appears in what it says. Immutable; any thread.
#pragma once

#include <cstdint>
#include <variant>

#include "common/auth/token_authority.h"
#include "common/http/http_reply.h"
#include "common/http/http_request.h"
#include "gateway/edge/door/offered_protocols.h"

namespace dormouse::edge {

class UpgradeAuth {
 public:
  explicit UpgradeAuth(const TokenAuthority& authority) : authority_(authority) {}

  // Whose socket it is to be, or the refusal.
  std::variant<TokenClaims, HttpReply> Check(const HttpRequest& request, const OfferedProtocols& offered,
                                             int64_t now_ms) const;

 private:
  const TokenAuthority& authority_;
};

}  // namespace dormouse::edge
