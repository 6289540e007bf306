// How processes of a cluster (cluster-secret) and operators (admin-key) prove that they have a secret: with a
// JSON Web Token (HS256) that is good for a minute, so that one that was overheard soon is worth nothing. It
// says as whom it was made: iss and aud are the role. The secret itself never travels, and is part of no text
// that comes from here.
//
// The file is looked at once a second at most, when it is needed, and read again when it has changed. One
// that cannot be used leaves the secret in force that was read before, and is logged.
//
// Any thread.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "common/auth/file_watch.h"
#include "common/auth/token_keys.h"

namespace dormouse {

class SharedSecret {
 public:
  // `option`: under which the user named the file, without dashes. nullptr: `*wrong` is a sentence that names
  // both.
  static std::unique_ptr<const SharedSecret> Read(const std::string& option, const std::string& path,
                                                  std::string* wrong);

  std::string NewToken(std::string_view role, int64_t now_ms) const;

  // As whom somebody with this secret has made the token, which is good now. Nothing: `*why` is a sentence;
  // it repeats nothing of the token.
  std::optional<std::string> RoleOf(std::string_view token, int64_t now_ms, std::string* why) const;

 private:
  SharedSecret(std::string option, std::string path, FileWatch watch, const std::string& secret);
  std::shared_ptr<const TokenKeys> CurrentKeys() const;

  const std::string option_;
  const std::string path_;
  mutable std::mutex mutex_;  // guards what follows
  mutable FileWatch watch_;
  mutable int64_t looked_ms_;  // steady clock
  mutable std::shared_ptr<const TokenKeys> keys_;
};

}  // namespace dormouse
