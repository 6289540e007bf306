#include "common/auth/token_authority.h"

#include <atomic>
#include <mutex>
#include <utility>

#include "common/auth/file_watch.h"
#include "common/auth/token_claims.h"
#include "common/auth/token_keys.h"
#include "common/logging.h"

namespace dormouse {
namespace {

constexpr int64_t kRenewedForMs = 3'600'000;

class Authority : public TokenAuthority {
 public:
  Authority(const Options& options, TokenAlgorithm algorithm, FileWatch key_file, FileWatch signing_file,
            TokenKeys keys)
      : options_(options),
        algorithm_(algorithm),
        key_file_(std::move(key_file)),
        signing_file_(std::move(signing_file)),
        keys_(std::make_shared<const TokenKeys>(std::move(keys))) {}

  Verdict Verify(std::string_view token, int64_t now_ms) const override {
    Verdict verdict;
    if (auto text = ReadToken(token, algorithm_, &verdict.problem)) {
      verdict.claims = Judge(token, *text, *CurrentKeys(now_ms), now_ms, &verdict.problem);
    }
    return verdict;
  }

  std::optional<Issued> Renew(std::string_view token, int64_t now_ms) const override {
    std::string problem;
    const auto text = ReadToken(token, algorithm_, &problem);
    const std::shared_ptr<const TokenKeys> keys = CurrentKeys(now_ms);
    if (!text.has_value() || !keys->signing.has_value() ||
        !Judge(token, *text, *keys, now_ms, &problem).has_value()) {
      return std::nullopt;
    }
    const int64_t expires_ms = (now_ms + kRenewedForMs) / 1000 * 1000;  // exp has whole seconds
    auto renewed = SignToken(*keys->signing, algorithm_, RenewedClaims(*text->payload, now_ms, expires_ms));
    if (!renewed.has_value()) return std::nullopt;
    return Issued{std::move(*renewed), expires_ms};
  }

 private:
  // Signature first: claims of nobody knows whom are not worth a word.
  std::optional<TokenClaims> Judge(std::string_view token, const TokenText& text, const TokenKeys& keys,
                                   int64_t now_ms, std::string* problem) const {
    if (!IsSigned(keys, algorithm_, token, text.kid)) {
      *problem = "The token's signature was not made by a key that is trusted here.";
      return std::nullopt;
    }
    return JudgeClaims(*text.payload, options_.auth_issuer, options_.auth_audience, now_ms, problem);
  }

  std::shared_ptr<const TokenKeys> CurrentKeys(int64_t now_ms) const {
    int64_t looked = looked_ms_.load(std::memory_order_relaxed);
    // A clock that was put back must not stop the looking.
    const bool due = now_ms >= looked + kFileLookIntervalMs || now_ms < looked;
    if (due && looked_ms_.compare_exchange_strong(looked, now_ms)) LookAtFiles();
    const std::lock_guard lock(keys_mutex_);  // for the time of copying a pointer
    return keys_;
  }

  void LookAtFiles() const {
    const std::lock_guard looking(files_mutex_);
    const bool key_changed = key_file_.Changed();
    const bool signing_changed = signing_file_.Changed();
    if (!key_changed && !signing_changed) return;
    std::string wrong;
    auto keys = ReadTokenKeys(options_, algorithm_, &wrong);
    if (!keys.has_value()) {
      SPDLOG_WARN("{}; the keys that were read before stay in force", wrong);
      return;
    }
    if (!keys->signing_problem.empty()) {
      SPDLOG_WARN("{}; no tokens are refreshed until it does", keys->signing_problem);
    }
    SPDLOG_INFO("keys of tokens were read again");
    auto shared = std::make_shared<const TokenKeys>(std::move(*keys));
    const std::lock_guard lock(keys_mutex_);
    keys_ = std::move(shared);
  }

  const Options options_;
  const TokenAlgorithm algorithm_;

  mutable std::atomic<int64_t> looked_ms_{0};
  mutable std::mutex files_mutex_;
  mutable FileWatch key_file_;      // files_mutex_
  mutable FileWatch signing_file_;  // files_mutex_

  mutable std::mutex keys_mutex_;
  mutable std::shared_ptr<const TokenKeys> keys_;  // keys_mutex_
};

}  // namespace

std::unique_ptr<TokenAuthority> NewTokenAuthority(const Options& options, std::string* wrong) {
  const auto algorithm = TokenAlgorithmOf(options.auth_algorithm);
  if (!algorithm.has_value()) {
    *wrong = "--auth-algorithm must be none, HS256, RS256 or ES256";
    return nullptr;
  }
  if (*algorithm == TokenAlgorithm::kHs256 && !options.auth_signing_key.empty()) {
    *wrong = "--auth-signing-key is for RS256 and ES256; HS256 signs with the secret of --auth-key";
    return nullptr;
  }
  // Before they are read, so that what changes meanwhile is seen.
  FileWatch key_file(options.auth_key);
  FileWatch signing_file(options.auth_signing_key);
  auto keys = ReadTokenKeys(options, *algorithm, wrong);
  if (!keys.has_value()) return nullptr;
  if (!keys->signing_problem.empty()) {
    *wrong = keys->signing_problem;
    return nullptr;
  }
  return std::make_unique<Authority>(options, *algorithm, std::move(key_file), std::move(signing_file),
                                     std::move(*keys));
}

}  // namespace dormouse
