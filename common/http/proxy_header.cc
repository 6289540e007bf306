#include "common/http/proxy_header.h"

#include <algorithm>
#include <array>
#include <cstdint>

#include "common/http/request_target.h"

namespace dormouse {
namespace {

using State = ProxyHeader::State;

constexpr std::string_view kTextBegin = "PROXY ";
constexpr size_t kMaxText = 107;  // the line's end included
constexpr std::string_view kBinaryBegin("\r\n\r\n\0\r\nQUIT\n", 12);
constexpr size_t kBinaryFixed = 16;

constexpr ProxyHeader kBad{.state = State::kBad};

// As it is written there: without zeros before it.
bool IsPlainPort(std::string_view text) { return IsPort(text) && (text.size() == 1 || text.front() != '0'); }

// "TCP4 192.0.2.1 198.51.100.1 51234 443"
ProxyHeader ReadText(std::string_view bytes) {
  const size_t end = bytes.substr(0, kMaxText).find("\r\n");
  if (end == std::string_view::npos) return bytes.size() < kMaxText ? ProxyHeader{} : kBad;
  std::string_view line = bytes.substr(kTextBegin.size(), end - kTextBegin.size());
  ProxyHeader header{.state = State::kWhole, .size = end + 2};
  if (line == "UNKNOWN" || line.starts_with("UNKNOWN ")) return header;  // what follows is to be ignored

  std::array<std::string_view, 5> words;
  for (std::string_view& word : words) {
    const size_t blank = line.find(' ');
    word = line.substr(0, blank);
    line = blank == std::string_view::npos ? std::string_view() : line.substr(blank + 1);
    if (&word != &words.back() && blank == std::string_view::npos) return kBad;
    if (&word == &words.back() && blank != std::string_view::npos) return kBad;
  }
  const auto& [family, source, destination, source_port, destination_port] = words;
  if (family != "TCP4" && family != "TCP6") return kBad;
  if (!IsPlainPort(source_port) || !IsPlainPort(destination_port)) return kBad;
  for (const std::string_view address : {source, destination}) {
    if ((address.find(':') != std::string_view::npos) != (family == "TCP6") ||
        !IpAddress::Parse(address).has_value())
      return kBad;
  }
  header.client = IpAddress::Parse(source);
  return header;
}

ProxyHeader ReadBinary(std::string_view bytes) {
  if (bytes.size() < kBinaryFixed) return {};
  const auto byte = [&](size_t at) { return static_cast<uint8_t>(bytes[at]); };
  const unsigned version = byte(12) >> 4;
  const unsigned command = byte(12) & 0x0f;
  const unsigned family = byte(13) >> 4;
  const unsigned transport = byte(13) & 0x0f;
  const size_t size = kBinaryFixed + (byte(14) << 8 | byte(15));
  constexpr unsigned kProxied = 1;  // 0: the proxy's own connection
  constexpr unsigned kInet = 1;
  constexpr unsigned kInet6 = 2;
  constexpr unsigned kStream = 1;
  if (version != 2 || command > kProxied || family > 3 || transport > 2 || size > kMaxProxyHeader)
    return kBad;
  const bool known = command == kProxied && transport == kStream && (family == kInet || family == kInet6);
  const size_t address_size = family == kInet ? 4 : 16;
  if (known && size < kBinaryFixed + 2 * address_size + 4) return kBad;  // both addresses, both ports
  if (bytes.size() < size) return {};
  ProxyHeader header{.state = State::kWhole, .size = size};
  // What follows the addresses says more of the client than is of use here.
  if (known) header.client = IpAddress::FromBytes(bytes.substr(kBinaryFixed, address_size));
  return header;
}

bool BeginsLike(std::string_view bytes, std::string_view begin) {
  const size_t size = std::min(bytes.size(), begin.size());
  return bytes.substr(0, size) == begin.substr(0, size);
}

}  // namespace

ProxyHeader ReadProxyHeader(std::string_view bytes) {
  if (BeginsLike(bytes, kTextBegin))
    return bytes.size() < kTextBegin.size() ? ProxyHeader{} : ReadText(bytes);
  return BeginsLike(bytes, kBinaryBegin) ? ReadBinary(bytes) : kBad;
}

}  // namespace dormouse
