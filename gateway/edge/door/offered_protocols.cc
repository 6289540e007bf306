#include "gateway/edge/door/offered_protocols.h"

#include <algorithm>

namespace dormouse::edge {
namespace {

constexpr std::string_view kBearer = "bearer.";

bool CarriesToken(std::string_view protocol) {
  return EqualsIgnoringCase(protocol.substr(0, kBearer.size()), kBearer);
}

}  // namespace

std::optional<OfferedProtocols> ReadOfferedProtocols(const HttpRequest& request) {
  const std::vector<std::string_view> offered = request.ListItems("sec-websocket-protocol");
  OfferedProtocols result;
  if (offered.empty()) return result;
  if (!std::all_of(offered.begin(), offered.end(), IsHttpToken)) return std::nullopt;
  const auto plain = std::find_if_not(offered.begin(), offered.end(), CarriesToken);
  if (plain != offered.end()) result.subprotocol = *plain;
  result.answer = plain != offered.end() ? *plain : offered.front();
  if (result.answer.size() > kMaxAnsweredProtocol) return std::nullopt;
  for (const std::string_view protocol : offered) {
    if (CarriesToken(protocol)) result.tokens.push_back(protocol.substr(kBearer.size()));
  }
  return result;
}

}  // namespace dormouse::edge
