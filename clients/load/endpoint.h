// Where a server is, as its URL says. Immutable; any thread.
#pragma once

#include <netinet/in.h>

#include <memory>
#include <string>

namespace dormouse::load {

class TlsContext;

struct Endpoint {
  sockaddr_in address{};
  std::string host;                       // as it was written, without the port
  int port = 0;                           //
  std::shared_ptr<const TlsContext> tls;  // null: no TLS

  bool is_loopback() const { return ntohl(address.sin_addr.s_addr) >> 24 == IN_LOOPBACKNET; }
};

// "127.0.0.1:8080", "localhost:8080"; IPv4. Throws std::runtime_error.
Endpoint ParseHostPort(const std::string& text);

// "ws://HOST:PORT", or "wss://HOST:PORT" where there is a `tls`. A port that is not named is 80 or 443.
// Throws std::runtime_error with a sentence that says what a URL looks like.
Endpoint ParseUrl(const std::string& url, const std::shared_ptr<const TlsContext>& tls);

}  // namespace dormouse::load
