#include "statekeeper/classes/callback/webhook_secrets.h"

#include <absl/strings/escaping.h>
#include <fmt/format.h>

#include <sstream>

#include "common/auth/key_file.h"
#include "common/auth/secrets.h"

namespace dormouse {
namespace {

const std::string kOption = "callbacks";  // whose file names it
constexpr size_t kLeastBytes = 24;        // as Standard Webhooks asks for
constexpr size_t kMostKeys = 8;
constexpr std::string_view kPrefix = "whsec_";

}  // namespace

std::unique_ptr<const WebhookSecrets> WebhookSecrets::Read(const std::string& path, std::string* wrong) {
  auto file = File::Open(
      {path},
      {"the secrets of a callback class were read again", "the secrets that were read before stay in force"},
      [path](std::string* why) { return ReadKeys(path, why); }, wrong);
  if (file == nullptr) return nullptr;
  return std::unique_ptr<const WebhookSecrets>(new WebhookSecrets(std::move(file)));
}

std::shared_ptr<const WebhookSecrets::Keys> WebhookSecrets::ReadKeys(const std::string& path,
                                                                     std::string* wrong) {
  const auto text = ReadSecretFile(kOption, path, wrong);
  if (!text) return nullptr;
  const auto refuse = [&](const std::string& why) {
    *wrong = KeyFileSentence(kOption, path, why);
    return nullptr;
  };
  Keys keys;
  std::istringstream lines(*text);
  for (std::string whole; std::getline(lines, whole);) {
    std::string_view line = whole;
    while (!line.empty() && line.back() <= ' ') line.remove_suffix(1);
    if (line.empty() || line.front() == '#') continue;
    std::string key(line);
    if (line.starts_with(kPrefix) &&
        !absl::Base64Unescape({line.data() + kPrefix.size(), line.size() - kPrefix.size()}, &key))
      return refuse("has a secret whose part behind whsec_ is not base64");
    if (key.size() < kLeastBytes) {
      return refuse(
          fmt::format("has a secret of less than {} bytes; `echo whsec_$(openssl rand -base64 32)` makes one",
                      kLeastBytes));
    }
    keys.push_back(std::move(key));
  }
  if (keys.empty()) return refuse("has no secret; `echo whsec_$(openssl rand -base64 32)` makes one");
  if (keys.size() > kMostKeys) return refuse(fmt::format("has more than {} secrets", kMostKeys));
  return std::make_shared<const Keys>(std::move(keys));
}

std::string WebhookSecrets::Sign(std::string_view id, int64_t timestamp_s, std::string_view body) const {
  const std::string text = fmt::format("{}.{}.{}", id, timestamp_s, body);
  std::string header;
  for (const std::string& key : *file_->Current()) {
    if (!header.empty()) header += ' ';
    header += "v1," + absl::Base64Escape(MacOf(key, text));
  }
  return header;
}

}  // namespace dormouse
