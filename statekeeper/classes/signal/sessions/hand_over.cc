#include "statekeeper/classes/signal/sessions/hand_over.h"

#include <map>
#include <optional>
#include <string_view>
#include <utility>

#include "common/ids.h"
#include "statekeeper/classes/signal/sessions/connected.h"
#include "statekeeper/classes/signal/state/deadlines.h"
#include "statekeeper/classes/signal/state/session.h"

namespace dormouse::signal {
namespace {

Mailbox::Got GotBy(const ConnectRequest& request) {
  if (!request.says_what_it_got()) return std::nullopt;
  return request.last_message_id();
}

}  // namespace

void HandOver::Begin(const ConnectionId& holder, Absence absence) {
  const ConnectRequest& request = absence.successor();
  const ConnectionId successor = StoredConnection(request.connection());
  const Session& before = absence.session();

  Session session = request.session();
  session.set_session_id(before.session_id());
  if (!before.registered().empty()) session.set_registered(before.registered());
  session.set_has_rows(before.has_rows() || session.has_rows());
  session.set_resumed(true);
  Mailbox box(parts_.context, parts_.options, holder);
  // It has not heard how many it was said to have missed.
  if (HasUsedToken(before, request.token_hash())) box.AddMissed(before.missed());
  const Mailbox::Got got = GotBy(request);
  const SentLog& log = parts_.memory.sent_log;
  const int64_t now_ms = parts_.context.now_ms();
  session.set_missed(box.MissedBy(got, [&](std::string_view below) {
    return log.Covers(*got, now_ms) ? UINT64_MAX : log.CountBetween(*got, below, holder, now_ms);
  }));
  if (parts_.memory.resume_metrics != nullptr) parts_.memory.resume_metrics->Resumed(session.missed());
  session.set_used_token_hash(request.token_hash());
  session.set_used_token_holder(request.token_holder());
  const std::string token = IssueToken(parts_.options, successor, &session);
  SaveSession(parts_.context, successor, session);

  absences_.RemoveForward(before);
  absences_.Forward(StoredConnection(session.used_token_holder()), successor);
  absences_.RemoveFromIndex(holder, absence);
  absences_.DoNotLookAt(holder, absence.expires_ms());
  absence.clear_session();
  Await(holder, std::move(absence), token);
}

void HandOver::BeginMail(const std::vector<Mailbox::Kept>& mail, const ConnectionId& successor) {
  if (mail.empty()) return;
  if (parts_.memory.resume.unconfirmed.contains(successor)) {
    // It is being asked for the session that it has just got; what is lost of this mail is lost with a crash
    // within the same moment.
    for (const Mailbox::Kept& message : mail) Send(successor, message.key, message.frame);
    return;
  }
  const ConnectionId place = *ConnectionId::Parse(NewUuid());
  Mailbox box(parts_.context, parts_.options, place);
  for (const Mailbox::Kept& message : mail) box.Put(message.key, message.frame);
  Absence absence;
  absence.set_mail_only(true);
  absence.mutable_successor()->set_connection(successor.ToBytes());
  Await(place, std::move(absence), "");
}

void HandOver::Await(const ConnectionId& holder, Absence absence, const std::string& token) {
  absence.set_handed_over(true);
  absence.set_expires_ms(parts_.context.now_ms() + kLookAgainMs);
  absences_.PutRow(holder, absence);
  absences_.LookAt(holder, absence.expires_ms());
  parts_.memory.resume.unconfirmed[StoredConnection(absence.successor().connection())] = {holder};
  SendAll(holder, absence, token);
}

void HandOver::SendAll(const ConnectionId& holder, const Absence& absence, const std::string& token) {
  const ConnectRequest& request = absence.successor();
  const ConnectionId successor = StoredConnection(request.connection());
  if (!absence.mail_only()) {
    const std::optional<Connection> open = parts_.context.FindConnection(successor);
    SendConnected(parts_.context, parts_.options, request, LoadSession(*open), token);
  }
  std::map<std::string, std::string> kept;
  const Mailbox::Got got = GotBy(request);
  for (Mailbox::Kept& message : Mailbox(parts_.context, parts_.options, holder).MessagesFor(got)) {
    kept.emplace(std::move(message.key), std::move(message.frame));
  }
  if (got.has_value()) {
    parts_.memory.sent_log.ForEachAfter(*got, holder, parts_.context.now_ms(), [&](const std::string& frame) {
      kept.try_emplace(MessageKeyOf(frame), frame);
    });
  }
  for (const auto& [key, frame] : kept) Send(successor, key, frame);
  parts_.context.Confirm(successor);
}

void HandOver::Send(const ConnectionId& successor, std::string_view key, const std::string& frame) {
  parts_.context.Send(successor, Message::ReturnableText(frame));
  parts_.memory.sent_log.RecordAgain(parts_.context.now_ms(), std::string(MessageIdOf(key)), successor,
                                     frame);
}

void HandOver::OnConfirmed(const ConnectionId& successor) {
  auto& unconfirmed = parts_.memory.resume.unconfirmed;
  const auto known = unconfirmed.find(successor);
  if (known == unconfirmed.end()) return;
  const ConnectionId holder = known->second.holder;
  const bool before_wake = std::exchange(known->second.before_wake, false);
  const std::optional<Absence> absence = absences_.Read(holder);
  if (!absence.has_value()) return;
  if (before_wake) {
    // What was sent before the hub was rebuilt may be lost, or not.
    if (const std::optional<Connection> open = parts_.context.FindConnection(successor)) {
      std::string token;
      if (!absence->mail_only()) {  // the token is known to the client alone, if at all
        Session session = LoadSession(*open);
        token = IssueAnotherToken(parts_.options, successor, &session);
        SaveSession(parts_.context, successor, session);
      }
      return SendAll(holder, *absence, token);
    }
    if (parts_.memory.absent.IsAlive(successor)) MoveMail(holder, *absence);
  }
  unconfirmed.erase(successor);
  Mailbox(parts_.context, parts_.options, holder).RemoveSome(SIZE_MAX);
  absences_.RemoveRow(holder);
  absences_.DoNotLookAt(holder, absence->expires_ms());
  Deadlines(parts_.context).SetAlarm();
}

void HandOver::MoveMail(const ConnectionId& holder, const Absence& absence) {
  const ConnectionId successor = StoredConnection(absence.successor().connection());
  Mailbox box(parts_.context, parts_.options, successor);
  for (const Mailbox::Kept& message :
       Mailbox(parts_.context, parts_.options, holder).MessagesFor(GotBy(absence.successor()))) {
    box.Put(message.key, message.frame);
  }
}

}  // namespace dormouse::signal
