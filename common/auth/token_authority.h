// Judges the JSON Web Tokens (RFC 7519) with which clients say who they are, and issues fresh ones in
// exchange.
//
// The algorithm and the keys come from configuration alone (RFC 8725, 3.1): what a token's header asks for is
// only compared with them. Secrets are compared in constant time, and never appear in what is returned as
// text.
//
// A token is refused before nbf and iat, with 30 s of leeway for clocks, from exp on, and 24 hours after iat.
//
// Keys are read again when their file changes; it is looked at once a second at most, when a token comes. A
// file that cannot be used leaves the keys in force that were read before, and is logged. Any thread; the
// checking costs what the signature costs: some 6 us for HS256, 20 us for RS256, 50 us for ES256.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/config/options.h"
#include "common/glob.h"

namespace dormouse {

// What a good token says.
struct TokenClaims {
  std::string actor;                      // actorId, as the token writes it
  std::vector<std::string> actors;        // globs of more addresses that its bearer may act for
  std::vector<std::string> capabilities;  // as granted; empty: not restricted
  std::vector<std::string> hubs;          // names of hubs, or globs of them; empty: all
  std::string role;                       // for limits (role-limits); empty: none, or not a name
  int64_t expires_ms = 0;                 // exp, or 24 hours after iat where that is sooner
};

// Whether the bearer may use a hub of this name (NAME of CLASS/NAME).
inline bool MayEnter(const TokenClaims& claims, std::string_view hub) {
  return claims.hubs.empty() ||
         std::ranges::any_of(claims.hubs, [&](const std::string& glob) { return GlobMatches(glob, hub); });
}

class TokenAuthority {
 public:
  virtual ~TokenAuthority() = default;

  struct Verdict {
    std::optional<TokenClaims> claims;  // nothing: refused
    std::string problem;                // why, for the client: a sentence without any part of the token
  };
  virtual Verdict Verify(std::string_view token, int64_t now_ms) const = 0;

  struct Issued {
    std::string token;
    int64_t expires_ms = 0;
  };
  // A token with the claims of a good one, but for nbf, valid for an hour from now on. Nothing: there is no
  // key to sign with, or it is not a good one.
  virtual std::optional<Issued> Renew(std::string_view token, int64_t now_ms) const = 0;
};

// As options say (auth-*). Call it where authentication is on. nullptr: `*wrong` is a sentence that names the
// option.
std::unique_ptr<TokenAuthority> NewTokenAuthority(const Options& options, std::string* wrong);

}  // namespace dormouse
