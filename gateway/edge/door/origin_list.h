// The web origins (RFC 6454) whose pages may open sockets. Browsers say in Origin which page it is, and pages
// cannot change that; it keeps other sites from using their visitors' cookies, networks and addresses here.
// Clients that are no browsers can say anything, so it is no authentication.
//
// Immutable; any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace dormouse::edge {

class OriginList {
 public:
  OriginList() = default;  // empty: everybody
  // "https://app.example", "http://localhost:3000", "https://*.example.com" (all below it, not itself).
  // nullopt: `*wrong` is a sentence about the one that is none of these.
  static std::optional<OriginList> Parse(const std::vector<std::string>& origins, std::string* wrong);

  // Whether a request with this Origin may open a socket. One without is no browser's.
  bool Admits(std::optional<std::string_view> origin) const;

 private:
  struct Origin {
    std::string scheme;  // lower case, as the host
    std::string host;    // of a wildcard: ".example.com"
    std::string port;    // the scheme's own is left out
    bool wildcard = false;
  };
  static std::optional<Origin> ParseOrigin(std::string_view text);

  std::vector<Origin> allowed_;
};

}  // namespace dormouse::edge
