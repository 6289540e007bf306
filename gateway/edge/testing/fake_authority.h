// For tests: knows one good token, of actor "test/good" in the role "board".
#pragma once

#include <optional>
#include <string_view>

#include "common/auth/token_authority.h"

namespace dormouse::edge {

class FakeAuthority : public TokenAuthority {
 public:
  static constexpr std::string_view kGood = "eyJhbGciOiJIUzI1NiJ9.good.c2ln";
  static constexpr std::string_view kBad = "eyJhbGciOiJIUzI1NiJ9.bad.c2ln";

  Verdict Verify(std::string_view token, int64_t /*now_ms*/) const override {
    if (token != kGood) return {.claims = {}, .problem = "The token is not good."};
    return {.claims = TokenClaims{.actor = "test/good",
                                  .actors = {"test/good-*"},
                                  .capabilities = {"send"},
                                  .hubs = {},
                                  .role = "board",
                                  .expires_ms = 1234},
            .problem = {}};
  }
  std::optional<Issued> Renew(std::string_view /*token*/, int64_t /*now_ms*/) const override { return {}; }
};

}  // namespace dormouse::edge
