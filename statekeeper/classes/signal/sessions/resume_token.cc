#include "statekeeper/classes/signal/sessions/resume_token.h"

#include "common/auth/secrets.h"

namespace dormouse::signal {
namespace {

constexpr size_t kUuidSize = 36;
constexpr size_t kSecretBytes = 16;
constexpr size_t kTokenSize = kUuidSize + 1 + 2 * kSecretBytes;

}  // namespace

ResumeToken ResumeToken::New(const ConnectionId& holder) {
  std::string text = holder.ToString() + "." + NewSecretHex(kSecretBytes);
  std::string hash = Sha256(text);
  return {std::move(text), std::move(hash), holder};
}

std::optional<ResumeToken> ResumeToken::Parse(std::string_view text) {
  if (text.size() != kTokenSize || text[kUuidSize] != '.') return std::nullopt;
  const std::optional<ConnectionId> holder = ConnectionId::Parse(text.substr(0, kUuidSize));
  if (!holder.has_value()) return std::nullopt;
  return ResumeToken{std::string(text), Sha256(text), *holder};
}

}  // namespace dormouse::signal
