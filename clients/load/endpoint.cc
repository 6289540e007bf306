#include "clients/load/endpoint.h"

#include <netdb.h>

#include <stdexcept>
#include <string_view>

#include "common/host_port.h"

namespace dormouse::load {

Endpoint ParseHostPort(const std::string& text) {
  const std::optional<HostPort> parsed = HostPort::Parse(text);
  addrinfo hints{};
  hints.ai_family = AF_INET;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV;
  addrinfo* found = nullptr;
  if (!parsed.has_value() ||
      getaddrinfo(parsed->host.c_str(), std::to_string(parsed->port).c_str(), &hints, &found) != 0) {
    throw std::runtime_error("'" + text +
                             "' is not HOST:PORT of a host that is known, with a port up to 65535");
  }
  Endpoint endpoint;
  endpoint.address = *reinterpret_cast<const sockaddr_in*>(found->ai_addr);
  endpoint.host = parsed->host;
  endpoint.port = parsed->port;
  freeaddrinfo(found);
  return endpoint;
}

Endpoint ParseUrl(const std::string& url, const std::shared_ptr<const TlsContext>& tls) {
  constexpr std::string_view kPlain = "ws://";
  constexpr std::string_view kEncrypted = "wss://";
  const bool encrypted = url.starts_with(kEncrypted);
  if (!encrypted && !url.starts_with(kPlain)) {
    throw std::runtime_error("'" + url + "' is not ws://HOST:PORT or wss://HOST:PORT");
  }
  std::string rest = url.substr(encrypted ? kEncrypted.size() : kPlain.size());
  if (rest.ends_with('/')) rest.pop_back();
  if (rest.find('/') != std::string::npos) {
    throw std::runtime_error("'" + url + "' has a path: say ws://HOST:PORT here, and the path with --path");
  }
  if (rest.find(':') == std::string::npos) rest += encrypted ? ":443" : ":80";
  Endpoint endpoint = ParseHostPort(rest);
  if (encrypted) endpoint.tls = tls;
  return endpoint;
}

}  // namespace dormouse::load
