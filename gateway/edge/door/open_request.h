// What a hub is told of the request that opened a socket (link.proto, OpenRequest). Pure; any thread.
#pragma once

#include <string>
#include <string_view>

#include "common/auth/token_authority.h"
#include "common/http/http_request.h"
#include "common/http/ip_address.h"

namespace dormouse::edge {

// `claims`: of the token that was checked; nullptr: none was asked for. `reservation`: of the app, if that
// has said which hub it is. Serialized.
std::string MakeOpenRequest(const HttpRequest& request, const IpAddress& client, std::string_view subprotocol,
                            const TokenClaims* claims, std::string_view reservation = {});

}  // namespace dormouse::edge
