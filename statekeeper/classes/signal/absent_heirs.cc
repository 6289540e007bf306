// Mail that another session inherits: an actor's client that comes back with a new session, and registers its
// address again, gets what waits for the session of before.
//
// When all has come back that was on its way to the old one (until then the hub:register waits, a Claim), the
// old session ends. Its mail is sent to the heir, and kept, in a mailbox at a place that is no connection,
// until it is known to have arrived (Absence.mail_only).
#include <utility>
#include <vector>

#include "common/ids.h"
#include "statekeeper/classes/signal/absent_sessions.h"
#include "statekeeper/classes/signal/deadlines.h"
#include "statekeeper/classes/signal/mailbox.h"
#include "statekeeper/classes/signal/session.h"

namespace dormouse::signal {

bool AbsentSessions::MayInherit(const ConnectionId& from, const Session& heir) {
  if (options_.resume_window.count() == 0 || !IsConnected(heir)) return false;
  Session session;
  if (const auto known = memory_.absent.find(from); known != memory_.absent.end()) {
    const std::optional<Absence> absence = Find(known->second);
    if (!absence.has_value() || absence->ended() || absence->has_successor()) return false;
    session = absence->session();
  } else if (const std::optional<Connection> open = context_.FindConnection(from)) {
    session = LoadSession(*open);
  }
  return !session.token_hash().empty() && session.identity() == heir.identity();
}

void AbsentSessions::LoseSocket(const ConnectionId& open) {
  const std::optional<Connection> connection = context_.FindConnection(open);
  if (!connection.has_value()) return;
  context_.Close(open, 1000, "Duplicate connection");
  FlowControl(context_, memory_.congestion).OnEnd(open);
  Leave(open, LoadSession(*connection));
}

bool AbsentSessions::AwaitMail(const ConnectionId& from, const ConnectionId& heir, const Message& request) {
  const auto known = memory_.absent.find(from);
  if (known == memory_.absent.end()) return false;  // there was no room for it to wait
  const ConnectionId holder = known->second;
  std::optional<Absence> absence = Find(holder);
  if (!absence.has_value() || absence->ended() || IsRecalled(holder)) return false;
  for (const Absence::Claim& claim : absence->claims()) {
    // The same event again.
    if (claim.connection() == heir.ToBytes() && claim.frame() == request.data) return true;
  }
  Absence::Claim* claim = absence->add_claims();
  claim->set_connection(heir.ToBytes());
  claim->set_frame(std::string(request.data));
  claim->set_received_ms(request.received_ms);
  Save(holder, *absence);
  // Should the hub be rebuilt before.
  Deadlines(context_).Add(context_.now_ms() + kLookAgainMs, Deadlines::SubjectOf(holder));
  return true;
}

std::vector<Absence::Claim> AbsentSessions::TakeClaims(const ConnectionId& holder) {
  std::optional<Absence> absence = Read(holder);
  if (!absence.has_value() || absence->claims().empty()) return {};
  const bool absent = memory_.absent.contains(holder);
  if (absent && !IsRecalled(holder)) return {};
  const std::vector<Absence::Claim> claims(absence->claims().begin(), absence->claims().end());
  absence->clear_claims();
  context_.Put(AbsenceKey(holder), absence->SerializeAsString());
  return claims;
}

void AbsentSessions::HandMail(const ConnectionId& from, const ConnectionId& heir) {
  const auto known = memory_.absent.find(from);
  if (known == memory_.absent.end()) return;
  const ConnectionId holder = known->second;
  std::optional<Absence> absence = Find(holder);
  if (!absence.has_value() || absence->ended()) return;
  const Mail mail = MailOf(holder);
  EndAbsent(holder, std::move(*absence), kRowsPerStep);
  if (mail.empty()) return;
  SendMail(heir, mail);
  // One that has just taken a session over as well is already being asked; what is lost then is lost with a
  // crash within the same moment.
  if (memory_.unconfirmed.contains(heir)) return;
  const ConnectionId place = *ConnectionId::Parse(NewUuid());
  Mailbox box(context_, options_, place);
  for (const auto& [key, frame] : mail) box.Put(key, frame);
  Absence owed;
  owed.set_handed_over(true);
  owed.set_mail_only(true);
  owed.mutable_successor()->set_connection(heir.ToBytes());
  owed.set_expires_ms(context_.now_ms() + kLookAgainMs);
  context_.Put(AbsenceKey(place), owed.SerializeAsString());
  Deadlines(context_).Add(owed.expires_ms(), Deadlines::SubjectOf(place));
  memory_.unconfirmed[heir] = place;
  context_.Confirm(heir);
}

AbsentSessions::Mail AbsentSessions::MailOf(const ConnectionId& holder) {
  Mail mail;  // a visit must not write
  Mailbox(context_, options_, holder).ForEach([&](const Mailbox::Kept& message) {
    // The session is new: it does not say what its client has.
    if (message.IsFor(std::nullopt)) mail.emplace_back(message.key, message.frame);
  });
  return mail;
}

void AbsentSessions::SendMail(const ConnectionId& heir, const Mail& mail) {
  for (const auto& [key, frame] : mail) {
    context_.Send(heir, Message::ReturnableText(frame));
    memory_.sent_log.Record(context_.now_ms(), std::string(MessageIdOf(key)), {{heir, frame}}, "");
  }
}

void AbsentSessions::ConfirmMail(const ConnectionId& place, const ConnectionId& heir, const Absence& owed) {
  if (memory_.told_before.erase(heir) > 0) {
    // What was sent before the hub was rebuilt may be lost, or not.
    const Mail mail = MailOf(place);
    if (context_.FindConnection(heir).has_value()) {
      SendMail(heir, mail);
      context_.Confirm(heir);
      return;
    }
    if (memory_.absent.contains(heir) && !memory_.ended.contains(heir)) {
      Mailbox box(context_, options_, heir);
      for (const auto& [key, frame] : mail) box.Put(key, frame);
    }
  }
  Settle(place, owed);
}

}  // namespace dormouse::signal
