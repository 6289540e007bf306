// HOST:PORT, as options and addresses of members have it. Pure; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace dormouse {

struct HostPort {
  std::string host;  // an IPv6 address without its brackets; may be empty
  uint16_t port = 0;

  // nullopt: it is none, or its port is above 65535, of which getaddrinfo would take the lower 16 bits.
  static std::optional<HostPort> Parse(std::string_view text);
};

// A sentence about an address that cannot be listened on, or called; empty: nothing is wrong with it. Who means all
// addresses of a machine has to say so: an empty host is likelier a variable that was not set.
std::string WhyNotToListenAt(std::string_view text);
std::string WhyNotToCall(std::string_view text);

}  // namespace dormouse
