// A token taken apart (RFC 7515, 7.1) and its claims judged (RFC 7519, 4.1), the signature apart.
//
// Problems are sentences for the client; they repeat nothing of the token.
#pragma once

#include <rapidjson/document.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "common/auth/token_algorithm.h"
#include "common/auth/token_authority.h"

namespace dormouse {

struct TokenText {
  std::optional<std::string> kid;                      // the key that the header names
  std::unique_ptr<const rapidjson::Document> payload;  // an object
};

// Nothing: it is no token that this algorithm could have signed; `*problem` says why.
std::optional<TokenText> ReadToken(std::string_view token, TokenAlgorithm algorithm, std::string* problem);

// Empty: it is the time for a token with these claims (iat, exp, nbf), until `*good_until_ms`.
std::string WhyBadTime(const rapidjson::Value& payload, int64_t now_ms, int64_t* good_until_ms);

// Nothing: refused. `audience`: empty: any.
std::optional<TokenClaims> JudgeClaims(const rapidjson::Value& payload, std::string_view issuer,
                                       std::string_view audience, int64_t now_ms, std::string* problem);

// The same claims, issued now and good until `expires_ms`, as JSON.
std::string RenewedClaims(const rapidjson::Value& payload, int64_t now_ms, int64_t expires_ms);

}  // namespace dormouse
