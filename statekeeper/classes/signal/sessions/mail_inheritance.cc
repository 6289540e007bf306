#include "statekeeper/classes/signal/sessions/mail_inheritance.h"

#include <algorithm>

#include "statekeeper/classes/signal/delivery/flow_control.h"
#include "statekeeper/classes/signal/delivery/mailbox.h"
#include "statekeeper/classes/signal/registry/registry.h"
#include "statekeeper/classes/signal/sessions/hand_over.h"
#include "statekeeper/classes/signal/sessions/session_end.h"
#include "statekeeper/classes/signal/state/session.h"

namespace dormouse::signal {

std::optional<std::pair<ConnectionId, Absence>> MailInheritance::FindAlive(const ConnectionId& connection) {
  const ConnectionId* holder = parts_.memory.absent.HolderOf(connection);
  if (holder == nullptr) return std::nullopt;
  std::optional<Absence> absence = absences_.Find(*holder);
  if (!absence.has_value() || absence->ended()) return std::nullopt;
  return std::pair(*holder, std::move(*absence));
}

bool MailInheritance::MayInherit(const ConnectionId& from, const Session& heir) {
  if (parts_.options.resume_window.count() == 0 || !IsConnected(heir)) return false;
  Session session;
  if (const auto found = FindAlive(from)) {
    if (found->second.has_successor()) return false;
    session = found->second.session();
  } else if (const std::optional<Connection> open = parts_.context.FindConnection(from)) {
    session = LoadSession(*open);
  }
  return !session.token_hash().empty() && session.identity() == heir.identity();
}

void MailInheritance::LoseSocket(const ConnectionId& open) {
  const std::optional<Connection> connection = parts_.context.FindConnection(open);
  if (!connection.has_value()) return;
  parts_.context.Close(open, kNormalClosure, "Duplicate connection");
  FlowControl(parts_.context, parts_.memory.congestion).OnEnd(open);
  SessionEnd(parts_).Detach(open, LoadSession(*connection));
  Registry(parts_.context, parts_.memory).OnSocketLost(*connection, parts_.options.resume_window.count());
}

bool MailInheritance::AwaitMail(const ConnectionId& from, const ConnectionId& heir, const Message& request) {
  auto found = FindAlive(from);
  if (!found.has_value()) return false;  // there was no room for it to wait
  auto& [holder, absence] = *found;
  if (absences_.HasAllBack(holder)) return false;
  const bool same_event = std::ranges::any_of(absence.waiting_registers(), [&](const auto& waiting) {
    return waiting.connection() == heir.ToBytes() && waiting.frame() == request.data;
  });
  if (same_event) return true;
  WaitingRegister* waiting = absence.add_waiting_registers();
  waiting->set_connection(heir.ToBytes());
  waiting->set_frame(std::string(request.data));
  waiting->set_received_ms(request.received_ms);
  absences_.Put(holder, absence);
  absences_.LookAgainSoon(holder);  // should the hub be rebuilt before
  return true;
}

std::vector<WaitingRegister> MailInheritance::TakeRegisters(const ConnectionId& holder) {
  std::optional<Absence> absence = absences_.Read(holder);
  if (!absence.has_value() || absence->waiting_registers().empty()) return {};
  if (parts_.memory.absent.Contains(holder) && !absences_.HasAllBack(holder)) return {};
  std::vector<WaitingRegister> waiting(absence->waiting_registers().begin(),
                                       absence->waiting_registers().end());
  absence->clear_waiting_registers();
  absences_.PutRow(holder, *absence);
  return waiting;
}

void MailInheritance::HandMail(const ConnectionId& from, const ConnectionId& heir) {
  auto found = FindAlive(from);
  if (!found.has_value()) return;
  auto& [holder, absence] = *found;
  Mailbox::Got got;
  Session session;
  if (const std::optional<Connection> open = parts_.context.FindConnection(heir))
    session = LoadSession(*open);
  if (session.says_what_it_got()) got = session.last_message_id();
  const auto mail = Mailbox(parts_.context, parts_.options, holder).MessagesFor(got);
  SessionEnd(parts_).EndAbsent(holder, std::move(absence), kRowsPerStep);
  HandOver(parts_).BeginMail(mail, heir);
}

}  // namespace dormouse::signal
