// The keys of a TokenAuthority, as its files had them at one time. Immutable once read.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/options.h"
#include "common/public_key.h"
#include "common/token_algorithm.h"

namespace dormouse {

struct TokenKeys {
  // A key as libjwt takes it: the secret's bytes, or PEM.
  struct Key {
    std::string kid;
    std::string material;
  };
  std::vector<Key> verifying;  // one at least
  std::optional<Key> signing;  // nothing: none is configured, or see below

  // The signing key is configured, but of no use; a sentence.
  std::string signing_problem;
};

// From the files of auth-key and auth-signing-key. Nothing: tokens could not be verified; `*wrong` is a
// sentence that names the option and the file, and nothing of its contents.
std::optional<TokenKeys> ReadTokenKeys(const Options& options, TokenAlgorithm algorithm, std::string* wrong);

// Whether this key made the signature of a token in compact form.
bool IsSignedBy(const TokenKeys::Key& key, TokenAlgorithm algorithm, const std::string& token);

// A token with these claims, a JSON object; nothing when the key cannot sign.
std::optional<std::string> SignToken(const TokenKeys::Key& key, TokenAlgorithm algorithm,
                                     const std::string& claims);

}  // namespace dormouse
