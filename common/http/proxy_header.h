// The PROXY protocol: what a proxy of ours says of its client before it passes the client's bytes on. Version
// 1, a line of text, and version 2, binary (haproxy.org, proxy-protocol.txt). Pure; any thread.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

#include "common/http/ip_address.h"

namespace dormouse {

// Longer headers are bad: nobody needs that much, and what has come is kept until the header is whole.
inline constexpr size_t kMaxProxyHeader = 4096;

struct ProxyHeader {
  enum class State { kIncomplete, kBad, kWhole };
  State state = State::kIncomplete;
  // Of a whole one.
  size_t size = 0;
  std::optional<IpAddress> client = {};  // nothing: the proxy speaks for itself, or does not know
};

// `bytes`: all that has come. What cannot become a header is bad at once.
ProxyHeader ReadProxyHeader(std::string_view bytes);

}  // namespace dormouse
