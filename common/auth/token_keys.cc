#include "common/auth/token_keys.h"

#include <fmt/format.h>
#include <jwt.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <utility>

#include "common/auth/key_file.h"
#include "common/json/strict_json.h"
#include "common/logging.h"

namespace dormouse {
namespace {

// Below, a secret can be guessed from any token. In between it is accepted with a warning: there are clients
// and issuers in the wild that share such a one.
constexpr size_t kLeastSecretBytes = 16;

struct FreeToken {
  void operator()(jwt_t* token) const { jwt_free(token); }
};
using OwnedToken = std::unique_ptr<jwt_t, FreeToken>;

jwt_alg_t LibraryName(TokenAlgorithm algorithm) {
  if (algorithm == TokenAlgorithm::kHs256) return JWT_ALG_HS256;
  return algorithm == TokenAlgorithm::kRs256 ? JWT_ALG_RS256 : JWT_ALG_ES256;
}

const unsigned char* Bytes(const std::string& text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

// A text editor's newline is not part of a secret.
void CutNewline(std::string* text) {
  if (text->ends_with('\n')) text->pop_back();
  if (text->ends_with('\r')) text->pop_back();
}

constexpr const char* kShort =
    "holds a secret of less than {} bytes; HS256 needs 32 (RFC 7518, 3.2), and `openssl rand -hex 32` makes "
    "one";

// Empty: `secret` will do.
std::string WhyBadSecret(const std::string& secret, size_t least) {
  if (secret.size() < least) return fmt::format(fmt::runtime(kShort), least);
  // Whoever has the public key could sign with it.
  if (secret.starts_with("-----BEGIN ")) return "holds a key in PEM; HS256 needs a secret";
  return "";
}

// Not encrypted: nobody is there to be asked for a passphrase.
OwnedKey ReadPrivateKey(const std::string& text) {
  BIO* in = BIO_new_mem_buf(text.data(), static_cast<int>(text.size()));
  OwnedKey key(PEM_read_bio_PrivateKey(
      in, nullptr, [](char*, int, int, void*) { return -1; }, nullptr));
  BIO_free(in);
  ERR_clear_error();
  return key;
}

bool IsSignedBy(const std::string& secret, const std::string& token) {
  jwt_t* decoded = nullptr;
  const int failed = jwt_decode(&decoded, token.c_str(), Bytes(secret), static_cast<int>(secret.size()));
  const OwnedToken owner(decoded);
  // libjwt verifies with the algorithm that the token's header names.
  return failed == 0 && decoded != nullptr && jwt_get_alg(decoded) == JWT_ALG_HS256;
}

bool IsSignedBy(const PublicKey& key, TokenAlgorithm algorithm, std::string_view token) {
  const size_t end = token.rfind('.');
  const auto signature = DecodeBase64Url(token.substr(end + 1));
  return signature.has_value() && Verifies(key.key.get(), algorithm, token.substr(0, end), *signature);
}

// Sets `signing`, or `signing_problem`.
void AddSigningKey(const Options& options, TokenAlgorithm algorithm, TokenKeys* keys) {
  const std::string& path = options.auth_signing_key;
  const auto text = ReadSecretFile("auth-signing-key", path, &keys->signing_problem);
  if (!text.has_value()) return;
  const OwnedKey key = ReadPrivateKey(*text);
  const std::string unfit =
      key == nullptr ? "holds no private key in PEM without a passphrase" : WhyUnfit(key.get(), algorithm);
  if (!unfit.empty()) {
    keys->signing_problem = KeyFileSentence("auth-signing-key", path, unfit);
    return;
  }
  TokenKeys::SigningKey signing{"", *text};
  const auto probe = SignToken(signing, algorithm, "{}");
  for (const PublicKey& candidate : keys->public_keys) {
    if (!probe.has_value() || !IsSignedBy(candidate, algorithm, *probe)) continue;
    signing.kid = candidate.kid;
    keys->signing = std::move(signing);
    return;
  }
  keys->signing_problem =
      KeyFileSentence("auth-signing-key", path, "does not belong to any public key of --auth-key");
}

}  // namespace

std::optional<std::string> ReadSecret(const std::string& option, const std::string& path, std::string* wrong,
                                      size_t least) {
  auto secret = ReadSecretFile(option, path, wrong);
  if (!secret.has_value()) return std::nullopt;
  CutNewline(&*secret);
  if (const std::string unfit = WhyBadSecret(*secret, least); !unfit.empty()) {
    *wrong = KeyFileSentence(option, path, unfit);
    return std::nullopt;
  }
  return secret;
}

std::optional<TokenKeys> ReadTokenKeys(const Options& options, TokenAlgorithm algorithm, std::string* wrong) {
  TokenKeys keys;
  if (algorithm == TokenAlgorithm::kHs256) {
    const auto secret = ReadSecret("auth-key", options.auth_key, wrong, kLeastSecretBytes);
    if (!secret.has_value()) return std::nullopt;
    if (secret->size() < kMinSecretBytes) {
      SPDLOG_WARN("{}", KeyFileSentence("auth-key", options.auth_key,
                                        fmt::format(fmt::runtime(kShort), kMinSecretBytes)));
    }
    keys.secret = *secret;
    keys.signing = TokenKeys::SigningKey{"", *secret};
    return keys;
  }
  const auto text = ReadKeyFile("auth-key", options.auth_key, wrong);
  if (!text.has_value()) return std::nullopt;
  std::string unfit;
  keys.public_keys = ReadPublicKeys(*text, algorithm, &unfit);
  if (!unfit.empty()) {
    *wrong = KeyFileSentence("auth-key", options.auth_key, unfit);
    return std::nullopt;
  }
  if (!options.auth_signing_key.empty()) AddSigningKey(options, algorithm, &keys);
  return keys;
}

bool IsSigned(const TokenKeys& keys, TokenAlgorithm algorithm, std::string_view token,
              const std::optional<std::string>& kid) {
  if (algorithm == TokenAlgorithm::kHs256) return IsSignedBy(keys.secret, std::string(token));
  return std::ranges::any_of(keys.public_keys, [&](const PublicKey& key) {
    const bool other = kid.has_value() && !key.kid.empty() && key.kid != *kid;
    return !other && IsSignedBy(key, algorithm, token);
  });
}

std::optional<std::string> SignToken(const TokenKeys::SigningKey& key, TokenAlgorithm algorithm,
                                     const std::string& claims) {
  jwt_t* token = nullptr;
  if (jwt_new(&token) != 0) return std::nullopt;
  const OwnedToken owner(token);
  if (jwt_add_grants_json(token, claims.c_str()) != 0 ||
      (!key.kid.empty() && jwt_add_header(token, "kid", key.kid.c_str()) != 0) ||
      jwt_set_alg(token, LibraryName(algorithm), Bytes(key.material),
                  static_cast<int>(key.material.size())) != 0) {
    return std::nullopt;
  }
  const std::unique_ptr<char, decltype(&std::free)> text(jwt_encode_str(token), &std::free);
  ERR_clear_error();
  if (text == nullptr) return std::nullopt;
  return std::string(text.get());
}

}  // namespace dormouse
