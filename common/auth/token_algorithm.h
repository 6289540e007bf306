// The signatures that tokens can have (RFC 7518, 3.1).
#pragma once

#include <optional>
#include <string_view>

namespace dormouse {

enum class TokenAlgorithm { kHs256, kRs256, kEs256 };

constexpr std::string_view NameOf(TokenAlgorithm algorithm) {
  if (algorithm == TokenAlgorithm::kHs256) return "HS256";
  return algorithm == TokenAlgorithm::kRs256 ? "RS256" : "ES256";
}

constexpr std::optional<TokenAlgorithm> TokenAlgorithmOf(std::string_view name) {
  for (const auto algorithm : {TokenAlgorithm::kHs256, TokenAlgorithm::kRs256, TokenAlgorithm::kEs256}) {
    if (name == NameOf(algorithm)) return algorithm;
  }
  return std::nullopt;
}

}  // namespace dormouse
