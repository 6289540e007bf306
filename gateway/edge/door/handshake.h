// The server's half of a WebSocket's opening handshake (RFC 6455, 4.2.2). Pure functions; any thread.
#pragma once

#include <string>
#include <string_view>

namespace dormouse::edge {

struct UpgradeAnswer {
  std::string_view key;               // the client's Sec-WebSocket-Key
  std::string_view subprotocol = {};  // to answer with; empty: none
  std::string_view extensions = {};   // the same
  std::string_view more = {};         // header lines, with their ends
};
// The 101, to its empty line.
std::string WriteUpgradeAnswer(const UpgradeAnswer& answer);

}  // namespace dormouse::edge
