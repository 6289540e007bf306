#include "common/host_port.h"

#include <fmt/format.h>

#include <charconv>

namespace dormouse {

std::optional<HostPort> HostPort::Parse(std::string_view text) {
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  std::string_view host = text.substr(0, colon);
  const std::string_view port = text.substr(colon + 1);
  if (host.size() >= 2 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
  HostPort parsed{std::string(host)};
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), parsed.port);
  if (error != std::errc() || end != port.data() + port.size()) return std::nullopt;
  return parsed;
}

std::string WhyNotToListenAt(std::string_view text) {
  const std::optional<HostPort> address = HostPort::Parse(text);
  if (!address.has_value()) {
    return fmt::format("'{}' is not HOST:PORT with a port from 0 to 65535, such as 127.0.0.1:8080", text);
  }
  if (!address->host.empty()) return "";
  return fmt::format(
      "'{0}' has no host; for all addresses of this machine write 0.0.0.0:{1}, or [::]:{1} for IPv6 as well",
      text, address->port);
}

std::string WhyNotToCall(std::string_view text) {
  const std::optional<HostPort> address = HostPort::Parse(text);
  if (address.has_value() && address->port != 0 && !address->host.empty()) return "";
  return fmt::format("'{}' is not HOST:PORT with a port from 1 to 65535, such as 10.0.0.7:7400", text);
}

}  // namespace dormouse
