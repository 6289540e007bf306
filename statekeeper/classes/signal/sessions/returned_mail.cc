#include "statekeeper/classes/signal/sessions/returned_mail.h"

#include <string>
#include <string_view>

#include "common/ids.h"
#include "common/json/json_reader.h"
#include "statekeeper/classes/signal/delivery/mailbox.h"
#include "statekeeper/classes/signal/sessions/connected.h"
#include "statekeeper/classes/signal/state/session.h"

namespace dormouse::signal {

void ReturnedMail::OnUndelivered(const ConnectionId& closed, const Message& message) {
  const std::string_view frame = message.data;
  const std::string key = MessageKeyOf(frame);
  if (key.empty() || parts_.memory.absent.HasEnded(closed)) return;
  auto& kept_again = parts_.memory.repetition.kept_again;
  if (const auto kept = kept_again.find(std::string(TimeOrderedIds::TailOf(key))); kept != kept_again.end()) {
    kept_again.erase(kept);
    return;
  }
  if (const auto holder = HolderOf(closed)) {
    Mailbox(parts_.context, parts_.options, *holder).Put(key, frame, message.unconfirmed);
  }
}

void ReturnedMail::OnLost(const ConnectionId& closed, const Lost& lost) {
  if (parts_.memory.absent.HasEnded(closed)) return;
  if (const auto holder = HolderOf(closed)) {
    Mailbox(parts_.context, parts_.options, *holder).AddLost(lost);
  }
}

std::optional<ConnectionId> ReturnedMail::HolderOf(const ConnectionId& closed) {
  if (const ConnectionId* known = parts_.memory.absent.HolderOf(closed)) return *known;
  // Its close is about to come.
  const std::optional<Connection> open = parts_.context.FindConnection(closed);
  if (!open.has_value()) return std::nullopt;
  Session session = LoadSession(*open);
  if (session.token_hash().empty()) return std::nullopt;
  if (!session.has_rows()) {
    session.set_has_rows(true);
    SaveSession(parts_.context, closed, session);
  }
  return closed;
}

}  // namespace dormouse::signal
