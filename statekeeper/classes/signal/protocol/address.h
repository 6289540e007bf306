// Names of actors. A client writes one bare, "browser/client-ui", or canonical, "@(browser/client-ui)"; both
// name the same actor. Rows and comparisons use the bare form; what goes to a client is in the form that it
// uses.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace dormouse::signal {

struct Address {
  std::string bare;
  bool canonical = false;  // how it was, or is to be, written

  // Reads either form: 1-256 bytes of UTF-8 without control characters, bare.
  static std::optional<Address> Parse(std::string_view text);

  std::string ToString() const { return canonical ? "@(" + bare + ")" : bare; }
  std::string ToJson() const;

  friend bool operator==(const Address&, const Address&) = default;
};

// The hub's own address, bare. Nobody may register it.
inline constexpr std::string_view kHubAddress = "cloudflare/signal-hub";
// Stands for a client that did not say who it is; published clients use it so too.
inline constexpr std::string_view kUnknownAddress = "browser/unknown";

}  // namespace dormouse::signal
