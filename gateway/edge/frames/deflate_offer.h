// permessage-deflate (RFC 7692) as clients offer it in Sec-WebSocket-Extensions, and what is accepted of it.
//
// No context is ever taken over, in either direction: the answer says so whether it was asked for or not
// (which 7.1.1 allows), so that a connection that says nothing keeps no window. All that differs from one
// connection to another is the window of what is sent to it.
//
// Pure functions; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "common/http/http_request.h"

namespace dormouse::edge {

// What a connection has to remember.
struct DeflateParameters {
  // Base two logarithm of the window that is compressed with, kMinWindowBits to kMaxWindowBits. Clients
  // may use the largest, always.
  uint8_t server_window_bits;
};
// RFC 7692 has windows from 8 bits on; zlib refuses 8 for raw deflate.
inline constexpr uint8_t kMinWindowBits = 9;
inline constexpr uint8_t kMaxWindowBits = 15;

struct AcceptedDeflate {
  DeflateParameters parameters;
  std::string answer;  // the value of Sec-WebSocket-Extensions in the 101
};

// The first offer, in the client's order, that can be accepted; nullopt: there is none, and messages go
// uncompressed.
//
// Passed over are other extensions, and offers that RFC 7692 says to decline (7.1): with a parameter that is
// unknown, there twice, or of a bad value, and a server_max_window_bits of 8. So is what does not follow the
// grammar of RFC 6455, 9.1, up to the next comma outside quotes: the connection is no worse without it.
//
// client_max_window_bits is not answered (7.1.2.2 leaves it to us): one window inflates for everybody, so a
// smaller one of the client would make its messages larger and save nothing.
std::optional<AcceptedDeflate> AcceptDeflate(const HttpRequest& request);

}  // namespace dormouse::edge
