#include "common/operator_key.h"

#include <fmt/format.h>

#include "common/strict_json.h"
#include "common/token_claims.h"

namespace dormouse {
namespace {

constexpr std::string_view kName = "dormouse-admin";
constexpr int64_t kLifeMs = 60'000;
constexpr int64_t kMaxLeftMs = kLifeMs + 30'000;  // by a clock that is behind

}  // namespace

OperatorKey::OperatorKey(const std::string& secret) {
  keys_.secret = secret;
  keys_.signing = TokenKeys::SigningKey{"", secret};
}

std::optional<OperatorKey> OperatorKey::Read(const std::string& option, const std::string& path,
                                             std::string* wrong) {
  const auto secret = ReadSecret(option, path, wrong);
  if (!secret.has_value()) return std::nullopt;
  return OperatorKey(*secret);
}

std::string OperatorKey::NewToken(int64_t now_ms) const {
  const std::string claims = fmt::format(R"({{"iss":"{}","aud":"{}","iat":{},"exp":{}}})", kName, kName,
                                         now_ms / 1000, (now_ms + kLifeMs) / 1000);
  return SignToken(*keys_.signing, TokenAlgorithm::kHs256, claims).value_or("");
}

std::string OperatorKey::WhyRefused(std::string_view token, int64_t now_ms) const {
  std::string problem;
  const auto text = ReadToken(token, TokenAlgorithm::kHs256, &problem);
  if (!text.has_value()) return problem;
  if (!IsSigned(keys_, TokenAlgorithm::kHs256, token, text->kid)) {
    return "The token was not made with the secret of admin-key.";
  }
  int64_t good_until_ms = 0;
  problem = WhyBadTime(*text->payload, now_ms, &good_until_ms);
  if (!problem.empty()) return problem;
  if (good_until_ms > now_ms + kMaxLeftMs) return "The token is good for longer than a minute.";
  if (FindString(*text->payload, "iss") != kName || FindString(*text->payload, "aud") != kName) {
    return "The token is not one for operators (iss, aud).";
  }
  return "";
}

}  // namespace dormouse
