// How processes of a cluster (cluster-secret) and operators (admin-key) prove that they have a secret: with a
// JSON Web Token (HS256) that is good for a minute, so that one that was overheard soon is worth nothing. It
// says as whom it was made: iss and aud are the role. The secret itself never travels, and is part of no text
// that comes from here.
//
// A file that changes is read again (watched_file.h).
//
// Any thread.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "common/auth/token_keys.h"
#include "common/auth/watched_file.h"

namespace dormouse {

class SharedSecret {
 public:
  // `option`: under which the user named the file, without dashes. nullptr: `*wrong` is a sentence that names
  // both.
  static std::unique_ptr<const SharedSecret> Read(const std::string& option, const std::string& path,
                                                  std::string* wrong);

  std::string NewToken(std::string_view role, int64_t now_ms) const;

  // A secret of 32 bytes for this purpose, which all who have this one have, and from which it does not follow (HMAC-SHA-256).
  std::string Derive(std::string_view purpose) const;

  // As whom somebody with this secret has made the token, which is good now. Nothing: `*why` is a sentence;
  // it repeats nothing of the token.
  std::optional<std::string> RoleOf(std::string_view token, int64_t now_ms, std::string* why) const;

 private:
  using File = WatchedFile<TokenKeys>;
  SharedSecret(std::string option, std::unique_ptr<const File> file)
      : option_(std::move(option)), file_(std::move(file)) {}

  const std::string option_;
  const std::unique_ptr<const File> file_;
};

}  // namespace dormouse
