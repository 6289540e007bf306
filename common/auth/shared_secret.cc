#include "common/auth/shared_secret.h"

#include <fmt/format.h>

#include <utility>

#include "common/auth/token_claims.h"
#include "common/clock.h"
#include "common/json/strict_json.h"
#include "common/logging.h"

namespace dormouse {
namespace {

constexpr int64_t kLifeMs = 60'000;
constexpr int64_t kMaxLeftMs = kLifeMs + 30'000;  // by a clock that is behind
constexpr int64_t kSecretLookIntervalMs = 1000;

std::shared_ptr<const TokenKeys> KeysOf(const std::string& secret) {
  auto keys = std::make_shared<TokenKeys>();
  keys->secret = secret;
  keys->signing = TokenKeys::SigningKey{"", secret};
  return keys;
}

}  // namespace

SharedSecret::SharedSecret(std::string option, std::string path, FileWatch watch, const std::string& secret)
    : option_(std::move(option)),
      path_(std::move(path)),
      watch_(std::move(watch)),
      looked_ms_(SteadyMs()),
      keys_(KeysOf(secret)) {}

std::unique_ptr<const SharedSecret> SharedSecret::Read(const std::string& option, const std::string& path,
                                                       std::string* wrong) {
  FileWatch watch(path);  // before it is read, so that what changes meanwhile is seen
  const auto secret = ReadSecret(option, path, wrong);
  if (!secret.has_value()) return nullptr;
  return std::unique_ptr<const SharedSecret>(new SharedSecret(option, path, std::move(watch), *secret));
}

std::string SharedSecret::NewToken(std::string_view role, int64_t now_ms) const {
  const std::string claims = fmt::format(R"({{"iss":"{}","aud":"{}","iat":{},"exp":{}}})", role, role,
                                         now_ms / 1000, (now_ms + kLifeMs) / 1000);
  return SignToken(*CurrentKeys()->signing, TokenAlgorithm::kHs256, claims).value_or("");
}

std::optional<std::string> SharedSecret::RoleOf(std::string_view token, int64_t now_ms,
                                                std::string* why) const {
  const auto text = ReadToken(token, TokenAlgorithm::kHs256, why);
  if (!text.has_value()) return std::nullopt;
  if (!IsSigned(*CurrentKeys(), TokenAlgorithm::kHs256, token, text->kid)) {
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

std::shared_ptr<const TokenKeys> SharedSecret::CurrentKeys() const {
  const std::lock_guard lock(mutex_);
  const int64_t now_ms = SteadyMs();
  if (now_ms < looked_ms_ + kSecretLookIntervalMs) return keys_;
  looked_ms_ = now_ms;
  if (!watch_.Changed()) return keys_;
  std::string wrong;
  if (const auto secret = ReadSecret(option_, path_, &wrong)) {
    keys_ = KeysOf(*secret);
    SPDLOG_INFO("the secret of {} was read again", option_);
  } else {
    SPDLOG_WARN("{}; the secret that was read before stays in force", wrong);
  }
  return keys_;
}

}  // namespace dormouse
