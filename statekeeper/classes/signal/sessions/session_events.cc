#include "statekeeper/classes/signal/sessions/session_events.h"

#include <utility>

#include "statekeeper/classes/signal/sessions/resumption.h"
#include "statekeeper/classes/signal/sessions/session_end.h"
#include "statekeeper/classes/signal/state/session.h"

namespace dormouse::signal {
namespace {

constexpr uint16_t kNoCode = 1005;  // RFC 6455, 7.4.1: what close() without arguments is

bool IsGoodBye(const CloseInfo& info) {
  return info.by_client && (info.code == kNormalClosure || info.code == kNoCode);
}

}  // namespace

void OnSocketClosed(const SessionParts& parts, const ConnectionId& connection, const Session& session,
                    const CloseInfo& info) {
  const auto& successors = parts.memory.resume.successors;
  if (const auto waits = successors.find(connection); waits != successors.end()) {
    const ConnectionId holder = waits->second;
    if (std::optional<Absence> absence = AbsenceTable(parts).Find(holder)) {
      Resumption(parts).Cancel(holder, std::move(*absence));
    }
  }
  if (parts.memory.absent.Contains(connection)) return;  // its rows are another session's by now
  const bool can_resume = !session.token_hash().empty() && parts.options.resume_window.count() > 0;
  if (can_resume && !IsGoodBye(info)) {
    SessionEnd(parts).Detach(connection, session);
  } else {
    SessionEnd(parts).End(connection, session);
  }
}

size_t OnSessionDeadline(const SessionParts& parts, const ConnectionId& holder, size_t limit) {
  AbsenceTable absences(parts);
  std::optional<Absence> absence = absences.Read(holder);
  if (!absence.has_value()) return 0;
  switch (StateOf(*absence)) {
    case AbsenceState::kHandedOver:
      // Nobody has confirmed yet that its successor has been told. Where nobody was asked, it is done now.
      if (!parts.memory.resume.to_ask_again.empty()) Resumption(parts).AskAgain();
      absence->set_expires_ms(parts.context.now_ms() + kLookAgainMs);
      absences.PutRow(holder, *absence);
      absences.LookAt(holder, absence->expires_ms());
      return 1;
    case AbsenceState::kEnded:
      return SessionEnd(parts).RemoveRows(holder, *absence, limit);
    case AbsenceState::kResuming:
      if (absences.HasAllBack(holder)) return Resumption(parts).MoveRows(holder, std::move(*absence), limit);
      absences.LookAgainSoon(holder);
      return 0;
    case AbsenceState::kRegisterWaits:
      absences.LookAgainSoon(holder);
      return 0;
    case AbsenceState::kWaiting:
      if (absence->expires_ms() > parts.context.now_ms()) return 0;
      return SessionEnd(parts).EndAbsent(holder, std::move(*absence), limit);
  }
  return 0;
}

}  // namespace dormouse::signal
