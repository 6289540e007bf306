#include "common/http/ip_address.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <charconv>
#include <cstddef>

namespace dormouse {
namespace {

constexpr std::array<uint8_t, 12> kV4Prefix = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
constexpr unsigned kV4PrefixBits = 96;

}  // namespace

IpAddress IpAddress::FromBytes(std::string_view bytes) {
  IpAddress result;
  if (bytes.size() == 4) std::copy(kV4Prefix.begin(), kV4Prefix.end(), result.bytes_.begin());
  std::copy(bytes.begin(), bytes.end(), result.bytes_.end() - static_cast<std::ptrdiff_t>(bytes.size()));
  return result;
}

IpAddress IpAddress::FromSocket(const sockaddr_storage& address) {
  const auto bytes = [](const auto& field) {
    return FromBytes({reinterpret_cast<const char*>(&field), sizeof(field)});
  };
  if (address.ss_family == AF_INET6) return bytes(reinterpret_cast<const sockaddr_in6*>(&address)->sin6_addr);
  if (address.ss_family == AF_INET) return bytes(reinterpret_cast<const sockaddr_in*>(&address)->sin_addr);
  return {};
}

std::optional<IpAddress> IpAddress::Parse(std::string_view text) {
  IpAddress result;
  if (text.find('\0') != std::string_view::npos) return std::nullopt;  // it would end there
  const std::string terminated(text);
  if (inet_pton(AF_INET6, terminated.c_str(), result.bytes_.data()) == 1) return result;
  std::copy(kV4Prefix.begin(), kV4Prefix.end(), result.bytes_.begin());
  if (inet_pton(AF_INET, terminated.c_str(), result.bytes_.data() + 12) == 1) return result;
  return std::nullopt;
}

bool IpAddress::IsV4() const { return std::equal(kV4Prefix.begin(), kV4Prefix.end(), bytes_.begin()); }

std::string IpAddress::ToString() const {
  char text[INET6_ADDRSTRLEN];
  if (IsV4()) return inet_ntop(AF_INET, bytes_.data() + 12, text, sizeof(text));
  return inet_ntop(AF_INET6, bytes_.data(), text, sizeof(text));
}

uint64_t IpAddress::Visitor() const {
  uint64_t result = 0;
  if (!IsV4()) {
    for (size_t i = 0; i < 8; ++i) result = result << 8 | bytes_[i];
    return result;
  }
  for (size_t i = 12; i < 16; ++i) result = result << 8 | bytes_[i];
  return 0xffff'ffff'0000'0000 | result;  // a network for multicast: nobody connects from there
}

std::optional<IpNetwork> IpNetwork::Parse(std::string_view text) {
  const size_t slash = text.find('/');
  const auto base = IpAddress::Parse(text.substr(0, slash));
  if (!base.has_value()) return std::nullopt;
  IpNetwork result;
  result.base_ = *base;
  if (slash == std::string_view::npos) return result;
  const std::string_view size = text.substr(slash + 1);
  const unsigned most = base->IsV4() ? 32 : 128;
  unsigned bits = 0;
  const auto [end, error] = std::from_chars(size.data(), size.data() + size.size(), bits);
  if (error != std::errc() || end != size.data() + size.size() || bits > most) return std::nullopt;
  result.bits_ = bits + (base->IsV4() ? kV4PrefixBits : 0);
  return result;
}

bool IpNetwork::Contains(const IpAddress& address) const {
  const size_t whole = bits_ / 8;
  if (!std::equal(base_.bytes_.begin(), base_.bytes_.begin() + whole, address.bytes_.begin())) return false;
  if (bits_ % 8 == 0) return true;
  return ((base_.bytes_[whole] ^ address.bytes_[whole]) >> (8 - bits_ % 8)) == 0;
}

}  // namespace dormouse
