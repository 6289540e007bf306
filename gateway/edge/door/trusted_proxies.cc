#include "gateway/edge/door/trusted_proxies.h"

#include <algorithm>

namespace dormouse::edge {
namespace {

// Some proxies add the port: "192.0.2.1:4711", "[2001:db8::1]:4711", "[2001:db8::1]".
std::optional<IpAddress> ParseForwarded(std::string_view text) {
  if (text.starts_with('[')) return IpAddress::Parse(text.substr(1, text.find(']') - 1));
  const size_t colon = text.find(':');
  if (colon != std::string_view::npos && colon == text.rfind(':')) text = text.substr(0, colon);
  return IpAddress::Parse(text);
}

}  // namespace

std::optional<TrustedProxies> TrustedProxies::Parse(const std::vector<std::string>& networks,
                                                    std::string* wrong) {
  TrustedProxies result;
  for (const std::string& text : networks) {
    const auto network = IpNetwork::Parse(text);
    if (!network.has_value()) {
      *wrong = "--trusted-proxies: '" + text +
               "' is neither an address nor a network such as 10.0.0.0/8 or 2001:db8::/32";
      return std::nullopt;
    }
    result.networks_.push_back(*network);
  }
  return result;
}

bool TrustedProxies::Contains(const IpAddress& address) const {
  return std::any_of(networks_.begin(), networks_.end(),
                     [&](const IpNetwork& network) { return network.Contains(address); });
}

IpAddress TrustedProxies::ClientOf(const IpAddress& peer, const HttpRequest& request) const {
  IpAddress client = peer;
  const std::vector<std::string_view> forwarded = request.ListItems("x-forwarded-for");
  for (auto it = forwarded.rbegin(); it != forwarded.rend() && Contains(client); ++it) {
    const auto address = ParseForwarded(*it);
    if (!address.has_value()) break;
    client = *address;
  }
  return client;
}

}  // namespace dormouse::edge
