// The heads of an exchange with the app: the request's as its worker gets it, and the answer's as the client
// does.
//
// What concerns one connection alone (RFC 9110, 7.6.1) ends here; each of the two connections is used once.
// What says who the client is, is the gateway's word and nobody else's; so are all headers dormouse-*:
// between gateway and worker they mean something. Pure functions; any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "common/http/http_body.h"
#include "common/http/http_request.h"
#include "common/http/http_response.h"

namespace dormouse::edge {

// Who asks, as far as can be believed.
struct AppClient {
  std::string address;
  // The request came through a proxy of ours, which says how the client came to it (X-Forwarded-Proto,
  // -Host).
  bool by_proxy = false;
  bool by_tls = false;  // it, or the proxy, came to us by TLS
};

// To its empty line. `to_socket`: the app is asked where the WebSocket that this is to open leads.
std::string WriteAppRequest(const HttpRequest& request, const HttpBody& body, const AppClient& client,
                            bool to_socket);
// The same of a final answer.
std::string WriteAppAnswer(const HttpResponse& answer, const HttpBody& body);
// Of one that comes before it.
std::string WriteInterimAnswer(const HttpResponse& answer);

// The app wants its WebSocket to talk to a hub. Views into the answer.
struct AppSocket {
  std::string_view hub;  // "CLASS/NAME"
  std::string_view reservation;
  std::string_view subprotocol;  // that it has chosen; empty: none
  std::string headers;           // more of the 101, with their line ends
};
// nullopt: it is an ordinary answer.
std::optional<AppSocket> ReadAppSocket(const HttpResponse& answer);

}  // namespace dormouse::edge
