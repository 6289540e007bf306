// Addresses for connections to come from. A pair of addresses has some 28,000 ports; a machine that talks to
// itself has 16 million addresses. Pure functions.
#pragma once

#include <netinet/in.h>

#include <cstdint>

namespace dormouse::load {

// Connections that one address is for: half of that half. 18,000 of one address cost 267 us each, of two 53.
constexpr uint32_t kConnectionsOfAddress = 7'000;

// How many addresses so many connections to loopback take.
inline uint32_t SourcesFor(uint32_t connections) { return (connections - 1) / kConnectionsOfAddress + 1; }

// 127.1.0.0 and up: nothing else is there. Each attempt of a connection comes from the next address.
// `sources` 0: the kernel chooses.
inline in_addr SourceOf(uint32_t connection, uint32_t attempt, uint32_t sources) {
  in_addr address{};
  if (sources == 0) return address;
  const uint32_t which = (connection + attempt) % sources;
  // Not .0 and .255 of any network: they look like mistakes in every tool.
  address.s_addr = htonl(0x7f010000 | which / 250 << 8 | (which % 250 + 1));
  return address;
}

}  // namespace dormouse::load
