// Who the client is when proxies stand between it and the gateway.
//
// Each proxy appends the address of its own peer to X-Forwarded-For. Only what the proxies of the list have
// written can be believed: so it is read from the right, up to the first address that is not one of them.
// What stands left of that, anybody may have made up.
//
// Immutable; any thread.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/http/http_request.h"
#include "common/http/ip_address.h"

namespace dormouse::edge {

class TrustedProxies {
 public:
  // Addresses and networks. nullopt: `*wrong` is a sentence about the one that is neither.
  static std::optional<TrustedProxies> Parse(const std::vector<std::string>& networks, std::string* wrong);

  bool Contains(const IpAddress& address) const;
  // For a request from a `peer` of this list; itself where its header says nothing, the farthest proxy that
  // can be believed where the header ends with one, or goes on with something that is no address.
  IpAddress ClientOf(const IpAddress& peer, const HttpRequest& request) const;

 private:
  std::vector<IpNetwork> networks_;
};

}  // namespace dormouse::edge
