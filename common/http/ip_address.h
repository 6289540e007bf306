// Internet addresses and networks, without names and ports. Values; any thread.
#pragma once

#include <sys/socket.h>

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace dormouse {

// An IPv6 address; one of IPv4 is held (and known again) as ::ffff:a.b.c.d, RFC 4291, 2.5.5.2.
class IpAddress {
 public:
  IpAddress() = default;  // "::"
  // Of a TCP socket; what is neither IPv4 nor IPv6 is "::".
  static IpAddress FromSocket(const sockaddr_storage& address);
  // The 4 bytes of an IPv4 address, or the 16 of an IPv6 one, in the network's order.
  static IpAddress FromBytes(std::string_view bytes);
  // "192.0.2.1", "2001:db8::1".
  static std::optional<IpAddress> Parse(std::string_view text);

  std::string ToString() const;
  // 16, in the network's order.
  std::string_view bytes() const { return {reinterpret_cast<const char*>(bytes_.data()), bytes_.size()}; }
  bool IsV4() const;
  // What one visitor can be told from another by: an IPv4 address whole; of an IPv6 address the first 64
  // bits, because whoever has one has the other 2^64 - 1 of its network, too.
  uint64_t Visitor() const;

  friend bool operator==(const IpAddress&, const IpAddress&) = default;

 private:
  friend class IpNetwork;
  std::array<uint8_t, 16> bytes_{};
};

class IpNetwork {
 public:
  // "10.0.0.0/8", "2001:db8::/32", or a single address.
  static std::optional<IpNetwork> Parse(std::string_view text);
  bool Contains(const IpAddress& address) const;

 private:
  IpAddress base_;
  unsigned bits_ = 128;  // of base_ that count
};

}  // namespace dormouse
