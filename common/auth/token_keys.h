// The keys of a TokenAuthority, as its files had them at one time. Immutable once read.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/auth/public_key.h"
#include "common/auth/token_algorithm.h"
#include "common/config/options.h"

namespace dormouse {

struct TokenKeys {
  std::string secret;                  // HS256 verifies and signs with it
  std::vector<PublicKey> public_keys;  // RS256, ES256: one at least

  // As libjwt takes it: the secret, or a private key in PEM.
  struct SigningKey {
    std::string kid;
    std::string material;
  };
  std::optional<SigningKey> signing;  // nothing: none is configured, or see below

  // The signing key is configured, but of no use; a sentence.
  std::string signing_problem;
};

// From the files of auth-key and auth-signing-key. Nothing: tokens could not be verified; `*wrong` is a
// sentence that names the option and the file, and nothing of its contents.
std::optional<TokenKeys> ReadTokenKeys(const Options& options, TokenAlgorithm algorithm, std::string* wrong);

inline constexpr size_t kMinSecretBytes = 32;  // RFC 7518, 3.2

// The secret in a file that the user named by `option` (auth-key, ...), fit for HS256, of at least so many
// bytes. Nothing: `*wrong` as above.
std::optional<std::string> ReadSecret(const std::string& option, const std::string& path, std::string* wrong,
                                      size_t least = kMinSecretBytes);

// Whether one of the keys made the signature of a token that is in compact form and names the algorithm in
// its header. `kid`: the key that it names.
bool IsSigned(const TokenKeys& keys, TokenAlgorithm algorithm, std::string_view token,
              const std::optional<std::string>& kid);

// A token with these claims, a JSON object; nothing when the key cannot sign.
std::optional<std::string> SignToken(const TokenKeys::SigningKey& key, TokenAlgorithm algorithm,
                                     const std::string& claims);

}  // namespace dormouse
