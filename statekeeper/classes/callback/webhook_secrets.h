// With which callbacks are signed, as Standard Webhooks says it (https://www.standardwebhooks.com, "Signature scheme"):
//
//   webhook-signature: v1,BASE64(HMAC-SHA256(secret, "ID.TIMESTAMP.BODY"))
//
// A file has a secret a line, `whsec_` and base64, or other text of at least 24 characters; each signs, so that one is
// replaced without a gap. Read again when it changes. Any thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/auth/watched_file.h"

namespace dormouse {

class WebhookSecrets {
 public:
  // nullptr: `*wrong` is a sentence.
  static std::unique_ptr<const WebhookSecrets> Read(const std::string& path, std::string* wrong);

  // The value of the header: a signature of each secret, separated by blanks.
  std::string Sign(std::string_view id, int64_t timestamp_s, std::string_view body) const;

 private:
  using Keys = std::vector<std::string>;
  using File = WatchedFile<Keys>;
  explicit WebhookSecrets(std::unique_ptr<const File> file) : file_(std::move(file)) {}
  static std::shared_ptr<const Keys> ReadKeys(const std::string& path, std::string* wrong);

  const std::unique_ptr<const File> file_;
};

}  // namespace dormouse
