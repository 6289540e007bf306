#include "common/auth/shared_secret.h"

#include <fmt/format.h>

#include <utility>

#include "common/auth/secrets.h"
#include "common/auth/token_claims.h"
#include "common/json/strict_json.h"

namespace dormouse {
namespace {

constexpr int64_t kLifeMs = 60'000;
constexpr int64_t kMaxLeftMs = kLifeMs + 30'000;  // by a clock that is behind

std::shared_ptr<const TokenKeys> KeysOf(const std::string& secret) {
  auto keys = std::make_shared<TokenKeys>();
  keys->secret = secret;
  keys->signing = TokenKeys::SigningKey{"", secret};
  return keys;
}

}  // namespace

std::unique_ptr<const SharedSecret> SharedSecret::Read(const std::string& option, const std::string& path,
                                                       std::string* wrong) {
  auto file = File::Open(
      {path},
      {fmt::format("the secret of {} was read again", option),
       "the secret that was read before stays in force"},
      [option, path](std::string* why) -> std::shared_ptr<const TokenKeys> {
        const auto secret = ReadSecret(option, path, why);
        return secret.has_value() ? KeysOf(*secret) : nullptr;
      },
      wrong);
  if (file == nullptr) return nullptr;
  return std::unique_ptr<const SharedSecret>(new SharedSecret(option, std::move(file)));
}

std::string SharedSecret::NewToken(std::string_view role, int64_t now_ms) const {
  const std::string claims = fmt::format(R"({{"iss":"{}","aud":"{}","iat":{},"exp":{}}})", role, role,
                                         now_ms / 1000, (now_ms + kLifeMs) / 1000);
  return SignToken(*file_->Current()->signing, TokenAlgorithm::kHs256, claims).value_or("");
}

std::string SharedSecret::Derive(std::string_view purpose) const {
  return MacOf(file_->Current()->secret, purpose);
}

std::optional<std::string> SharedSecret::RoleOf(std::string_view token, int64_t now_ms,
                                                std::string* why) const {
  const auto text = ReadToken(token, TokenAlgorithm::kHs256, why);
  if (!text.has_value()) return std::nullopt;
  if (!IsSigned(*file_->Current(), TokenAlgorithm::kHs256, token, text->kid)) {
    *why = "The token was not made with the secret of " + option_ + ".";
    return std::nullopt;
  }
  int64_t good_until_ms = 0;
  *why = WhyBadTime(*text->payload, now_ms, &good_until_ms);
  if (!why->empty()) return std::nullopt;
  if (good_until_ms > now_ms + kMaxLeftMs) {
    *why = "The token is good for longer than a minute.";
    return std::nullopt;
  }
  const auto role = FindString(*text->payload, "aud");
  if (!role.has_value() || FindString(*text->payload, "iss") != role) {
    *why = "The token does not say as whom it was made (iss, aud).";
    return std::nullopt;
  }
  return std::string(*role);
}

}  // namespace dormouse
