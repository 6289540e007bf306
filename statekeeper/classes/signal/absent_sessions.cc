#include "statekeeper/classes/signal/absent_sessions.h"

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

#include "common/auth/secrets.h"
#include "common/json/json_reader.h"
#include "statekeeper/classes/signal/connected.h"
#include "statekeeper/classes/signal/deadlines.h"
#include "statekeeper/classes/signal/envelope.h"
#include "statekeeper/classes/signal/mailbox.h"
#include "statekeeper/classes/signal/registry.h"
#include "statekeeper/classes/signal/resume_token.h"
#include "statekeeper/classes/signal/session.h"
#include "statekeeper/classes/signal/subscriptions.h"

namespace dormouse::signal {
namespace {

constexpr uint16_t kNormalClosure = 1000;
constexpr uint16_t kNoCode = 1005;  // RFC 6455, 7.4.1: what close() without arguments is

constexpr std::string_view kAbsencePrefix = "d/";

std::string ForwardKey(const ConnectionId& holder) { return "f/" + holder.ToString(); }

ConnectionId FromBytes(std::string_view bytes) {
  return ConnectionId::FromBytes(bytes).value_or(ConnectionId{});
}

// The last message that a client says it has got; empty: none. Nothing: it does not say.
std::optional<std::string_view> Got(const ConnectRequest& request) {
  if (!request.says_what_it_got()) return std::nullopt;
  return request.last_message_id();
}

// Every connection under which rows of the session are.
std::vector<ConnectionId> PlacesOf(const ConnectionId& holder, const Absence& absence) {
  std::vector<ConnectionId> places = {holder};
  for (const std::string& stray : absence.strays()) places.push_back(FromBytes(stray));
  return places;
}

}  // namespace

std::string AbsentSessions::AbsenceKey(const ConnectionId& holder) {
  return std::string(kAbsencePrefix) + holder.ToString();
}

// --- Rows and memory.

void AbsentSessions::Load() {
  std::vector<std::pair<int64_t, ConnectionId>> waiting;  // since when is the same as until when
  context_.List(kAbsencePrefix, [&](std::string_view key, std::string_view value) {
    Absence absence;
    absence.ParseFromArray(value.data(), static_cast<int>(value.size()));
    if (const auto holder = ConnectionId::Parse(key.substr(kAbsencePrefix.size()))) {
      if (absence.handed_over()) {
        const ConnectionId successor = FromBytes(absence.successor().connection());
        memory_.unconfirmed[successor] = *holder;
        memory_.told_before.insert(successor);
      } else {
        Remember(*holder, absence);
        if (IsWaiting(*holder, absence)) waiting.emplace_back(absence.expires_ms(), *holder);
      }
      if (absence.has_successor() || !absence.claims().empty()) memory_.left_over.push_back(*holder);
    }
    return true;
  });
  std::ranges::sort(waiting);
  for (const auto& [until_ms, holder] : waiting) memory_.absent_in_order.push_back(holder);
}

size_t AbsentSessions::Count() const {
  return static_cast<size_t>(std::ranges::count_if(memory_.absent, [this](const auto& each) {
    return each.first == each.second && !memory_.ended.contains(each.first);
  }));
}

void AbsentSessions::Remember(const ConnectionId& holder, const Absence& absence) {
  for (const ConnectionId& place : PlacesOf(holder, absence)) {
    memory_.absent[place] = holder;
    if (absence.ended()) memory_.ended.insert(place);
  }
  if (absence.has_successor()) memory_.successors[FromBytes(absence.successor().connection())] = holder;
}

void AbsentSessions::Forget(const ConnectionId& holder, const Absence& absence) {
  for (const ConnectionId& place : PlacesOf(holder, absence)) {
    memory_.absent.erase(place);
    memory_.ended.erase(place);
  }
  memory_.successors.erase(FromBytes(absence.successor().connection()));
  memory_.recalled.erase(holder);
}

std::optional<Absence> AbsentSessions::Find(const ConnectionId& holder) {
  const auto known = memory_.absent.find(holder);
  if (known == memory_.absent.end() || known->second != holder) return std::nullopt;
  return Read(holder);
}

std::optional<Absence> AbsentSessions::Read(const ConnectionId& holder) {
  const std::optional<std::string> row = context_.Get(AbsenceKey(holder));
  if (!row.has_value()) return std::nullopt;
  Absence absence;
  absence.ParseFromString(*row);
  return absence;
}

void AbsentSessions::Save(const ConnectionId& holder, const Absence& absence) {
  context_.Put(AbsenceKey(holder), absence.SerializeAsString());
  Remember(holder, absence);
}

// --- Leaving and ending.

void AbsentSessions::OnClose(const ConnectionId& connection, const Session& session, const CloseInfo& info) {
  if (const auto waits = memory_.successors.find(connection); waits != memory_.successors.end()) {
    const ConnectionId holder = waits->second;
    if (std::optional<Absence> absence = Find(holder)) LoseSuccessor(holder, std::move(*absence));
  }
  if (memory_.absent.contains(connection)) return;  // its rows are another session's by now
  const bool wanted = info.by_client && (info.code == kNormalClosure || info.code == kNoCode);
  if (wanted || session.token_hash().empty() || options_.resume_window.count() == 0) {
    End(connection, session);
  } else {
    Leave(connection, session);
  }
}

void AbsentSessions::Leave(const ConnectionId& connection, const Session& session) {
  Absence absence;
  *absence.mutable_session() = session;
  absence.set_expires_ms(context_.now_ms() + options_.resume_window.count());
  Save(connection, absence);
  Deadlines(context_).Add(absence.expires_ms(), Deadlines::SubjectOf(connection));
  IsRecalled(connection);
  memory_.absent_in_order.push_back(connection);
  MakeRoom();
}

bool AbsentSessions::IsWaiting(const ConnectionId& holder, const Absence& absence) const {
  return !absence.ended() && !absence.has_successor() && absence.claims().empty() &&
         !memory_.ended.contains(holder);
}

void AbsentSessions::MakeRoom() {
  auto& order = memory_.absent_in_order;
  while (!order.empty()) {
    const ConnectionId oldest = order.front();
    std::optional<Absence> absence = Find(oldest);
    if (absence.has_value() && IsWaiting(oldest, *absence)) {
      if (memory_.absent.size() - memory_.ended.size() <= options_.max_absent) return;
      EndAbsent(oldest, std::move(*absence), kRowsPerStep);
    }
    order.pop_front();
  }
}

bool AbsentSessions::IsRecalled(const ConnectionId& holder) {
  if (memory_.recalled.contains(holder)) return true;
  if (memory_.recalling.insert(holder).second) context_.Recall(holder);
  return false;
}

void AbsentSessions::End(const ConnectionId& connection, const Session& session) {
  Absence absence;
  *absence.mutable_session() = session;
  EndAbsent(connection, std::move(absence), kRowsPerStep);
}

void AbsentSessions::EndSessionAt(const ConnectionId& connection) {
  const auto known = memory_.absent.find(connection);
  if (known != memory_.absent.end()) {
    const ConnectionId holder = known->second;
    std::optional<Absence> absence = Find(holder);
    if (absence.has_value() && !absence->ended()) EndAbsent(holder, std::move(*absence), kRowsPerStep);
  } else if (const std::optional<Connection> found = context_.FindConnection(connection)) {
    End(connection, LoadSession(*found));
  }
}

size_t AbsentSessions::EndAbsent(const ConnectionId& holder, Absence absence, size_t limit) {
  const Session& session = absence.session();
  if (!session.other_token_hash().empty() && !session.used_token_holder().empty()) {
    context_.Delete(ForwardKey(FromBytes(session.used_token_holder())));
  }
  if (absence.expires_ms() != 0) {
    Deadlines(context_).Remove(absence.expires_ms(), Deadlines::SubjectOf(holder));
  }
  if (absence.has_successor()) {
    const ConnectRequest successor = absence.successor();
    const ConnectionId connection = FromBytes(successor.connection());
    memory_.successors.erase(connection);
    absence.clear_successor();
    const auto& strays = absence.strays();
    // One that has rows of the session cannot begin another with them.
    if (std::ranges::find(strays, successor.connection()) != strays.end()) {
      context_.Close(connection, kNormalClosure, "Session ended");
    } else if (context_.FindConnection(connection).has_value()) {
      BeginSession(context_, options_, successor);
    }
  }
  return RemoveRows(holder, absence, limit);
}

size_t AbsentSessions::RemoveRows(const ConnectionId& holder, const Absence& absence, size_t limit) {
  size_t removed = 0;
  if (absence.session().has_rows()) {
    for (const ConnectionId& place : PlacesOf(holder, absence)) {
      removed += Registry(context_, memory_).RemoveSomeOf(place, limit - removed);
      removed += Subscriptions(context_).RemoveSomeOf(place, limit - removed);
    }
  }
  if (absence.session().has_rows() || absence.expires_ms() != 0) {
    removed += Mailbox(context_, options_, holder).RemoveSome(limit - removed);
  }
  if (removed < limit) {
    if (memory_.absent.contains(holder)) {
      Forget(holder, absence);
      context_.Delete(AbsenceKey(holder));
    }
    return removed;
  }
  Absence rest;
  rest.set_ended(true);
  rest.mutable_session()->set_has_rows(true);
  *rest.mutable_strays() = absence.strays();
  Save(holder, rest);
  Deadlines(context_).Add(context_.now_ms(), Deadlines::SubjectOf(holder));
  return removed;
}

size_t AbsentSessions::OnDeadline(const ConnectionId& holder, size_t limit) {
  std::optional<Absence> absence = Find(holder);
  if (!absence.has_value()) {
    absence = Read(holder);
    if (!absence.has_value()) return 0;
    // Nobody has confirmed yet that its successor has been told. Where nobody was asked, it is done now.
    if (!memory_.left_over.empty()) ResumeLeftOver();
    absence->set_expires_ms(context_.now_ms() + kLookAgainMs);
    context_.Put(AbsenceKey(holder), absence->SerializeAsString());
    Deadlines(context_).Add(absence->expires_ms(), Deadlines::SubjectOf(holder));
    return 1;
  }
  if (absence->ended()) return RemoveRows(holder, *absence, limit);
  if (absence->has_successor()) {
    if (IsRecalled(holder)) return TakeOver(holder, std::move(*absence), limit);
    Deadlines(context_).Add(context_.now_ms() + kLookAgainMs, Deadlines::SubjectOf(holder));
    return 0;
  }
  if (!absence->claims().empty()) {
    Deadlines(context_).Add(context_.now_ms() + kLookAgainMs, Deadlines::SubjectOf(holder));
    return 0;
  }
  if (absence->expires_ms() > context_.now_ms()) return 0;
  return EndAbsent(holder, std::move(*absence), limit);
}

// --- What comes back.

void AbsentSessions::OnUndelivered(const ConnectionId& closed, const Message& message) {
  const std::string_view frame = message.data;
  if (JsonString(JsonObject(frame).Find("type")) == kConnectedType) {
    // One that its client may have has used up the token.
    if (!message.unconfirmed) TakeBackConnected(closed);
    return;
  }
  const std::string key = MessageKeyOf(frame);
  if (key.empty() || memory_.ended.contains(closed)) return;
  if (const auto kept = memory_.kept_again.find(std::string(TimeOrderedIds::TailOf(key)));
      kept != memory_.kept_again.end()) {
    memory_.kept_again.erase(kept);
    return;
  }
  if (const auto holder = HolderOf(closed)) {
    Mailbox(context_, options_, *holder).Put(key, frame, message.unconfirmed);
  }
}

void AbsentSessions::OnLost(const ConnectionId& closed, const Lost& lost) {
  if (memory_.ended.contains(closed)) return;
  if (const auto holder = HolderOf(closed)) Mailbox(context_, options_, *holder).AddLost(lost);
}

std::optional<ConnectionId> AbsentSessions::HolderOf(const ConnectionId& closed) {
  if (const auto known = memory_.absent.find(closed); known != memory_.absent.end()) return known->second;
  // Its close is about to come.
  const std::optional<Connection> open = context_.FindConnection(closed);
  if (!open.has_value()) return std::nullopt;
  Session session = LoadSession(*open);
  if (session.token_hash().empty()) return std::nullopt;
  if (!session.has_rows()) {
    session.set_has_rows(true);
    SaveSession(context_, closed, session);
  }
  return closed;
}

// The client has not learned of its new token: the one that it used is good again, and so is what it was
// told then.
void AbsentSessions::TakeBackConnected(const ConnectionId& closed) {
  std::optional<Absence> absence = Find(closed);
  const std::optional<Connection> open = context_.FindConnection(closed);
  if (!open.has_value() && (!absence.has_value() || absence->ended())) return;
  Session session = absence.has_value() ? absence->session() : LoadSession(*open);
  if (session.used_token_hash().empty() || HasToken(session, session.used_token_hash())) return;
  session.add_other_token_hash(session.used_token_hash());
  if (session.missed() > 0) {
    Mailbox(context_, options_, closed).AddMissed(session.missed());
    session.set_has_rows(true);
  }
  context_.Put(ForwardKey(FromBytes(session.used_token_holder())), closed.ToBytes());
  session.set_has_rows(true);
  if (absence.has_value()) {
    *absence->mutable_session() = session;
    Save(closed, *absence);
  } else {
    SaveSession(context_, closed, session);
  }
}

void AbsentSessions::OnRecalled(const ConnectionId& closed) {
  memory_.recalling.erase(closed);
  std::optional<Absence> absence = Find(closed);
  if (absence.has_value()) memory_.recalled.insert(closed);
  if (absence.has_value() && absence->has_successor()) {
    TakeOver(closed, std::move(*absence), kRowsPerStep);
  }
}

// --- Taking over.

bool AbsentSessions::MayHave(const ConnectRequest& request, const Session& session, bool told) const {
  const std::string& used = session.used_token_hash();
  return (HasToken(session, request.token_hash()) ||
          (!told && !used.empty() && SameSecret(used, request.token_hash()))) &&
         session.identity() == request.session().identity();
}

std::optional<ConnectionId> AbsentSessions::Claim(const ConnectRequest& request) {
  const ConnectionId named = FromBytes(request.token_holder());
  std::vector<ConnectionId> places = {named};
  if (const auto forward = context_.Get(ForwardKey(named))) places.push_back(FromBytes(*forward));
  // Its session was handed over, and who has it now may not know the new token.
  const auto successor = std::ranges::find_if(
      memory_.unconfirmed, [&](const auto& handed_over) { return handed_over.second == named; });
  if (successor != memory_.unconfirmed.end()) places.push_back(successor->first);
  for (const ConnectionId& place : places) {
    if (const std::optional<Absence> absence = Find(place)) {
      const bool alive = !absence->ended() && absence->expires_ms() > context_.now_ms();
      if (alive && MayHave(request, absence->session(), !IsUnconfirmed(place))) return place;
    } else if (const std::optional<Connection> open = context_.FindConnection(place)) {
      // Its socket has died without anybody's noticing, or the client has left it.
      const Session session = LoadSession(*open);
      if (!MayHave(request, session, !IsUnconfirmed(place))) continue;
      context_.Close(place, kNormalClosure, "Session resumed elsewhere");
      FlowControl(context_, memory_.congestion).OnEnd(place);
      Leave(place, session);
      return place;
    }
  }
  return std::nullopt;
}

bool AbsentSessions::Resume(ConnectRequest request, std::string_view token) {
  if (options_.resume_window.count() == 0) return false;
  const std::optional<ResumeToken> parsed = ResumeToken::Parse(token);
  if (!parsed.has_value()) return false;
  request.set_token_hash(parsed->hash);
  request.set_token_holder(parsed->holder.ToBytes());
  const std::optional<ConnectionId> holder = Claim(request);
  if (!holder.has_value()) return false;

  Absence absence = *Find(*holder);
  if (absence.has_successor()) {  // who came with the token before has lost its socket, too
    const ConnectionId before = FromBytes(absence.successor().connection());
    memory_.successors.erase(before);
    context_.Close(before, kNormalClosure, "Session resumed elsewhere");
  }
  *absence.mutable_successor() = std::move(request);
  if (IsRecalled(*holder)) {
    TakeOver(*holder, std::move(absence), kRowsPerStep);
  } else {
    Save(*holder, absence);
    Deadlines(context_).Add(context_.now_ms() + kLookAgainMs, Deadlines::SubjectOf(*holder));
  }
  return true;
}

void AbsentSessions::ResumeLeftOver() {
  // Asking sends nothing: this is the event of somebody else.
  for (const ConnectionId& successor : memory_.told_before) context_.Confirm(successor);
  for (const ConnectionId& holder : std::exchange(memory_.left_over, {})) {
    if (memory_.absent.contains(holder)) IsRecalled(holder);
  }
}

size_t AbsentSessions::TakeOver(const ConnectionId& holder, Absence absence, size_t limit) {
  const ConnectionId successor = FromBytes(absence.successor().connection());
  if (!context_.FindConnection(successor).has_value()) {
    LoseSuccessor(holder, std::move(absence));
    return 1;
  }
  size_t moved = 0;
  if (absence.session().has_rows()) {
    for (const ConnectionId& place : PlacesOf(holder, absence)) {
      if (place == successor) continue;
      moved += Registry(context_, memory_).MoveSome(place, successor, limit - moved);
      moved += Subscriptions(context_).MoveSome(place, successor, limit - moved);
    }
  }
  if (moved < limit) {
    Finish(holder, absence);
    return moved + 1;
  }
  const auto& strays = absence.strays();
  if (std::ranges::find(strays, absence.successor().connection()) == strays.end()) {
    absence.add_strays(absence.successor().connection());
  }
  Save(holder, absence);
  Deadlines(context_).Add(context_.now_ms(), Deadlines::SubjectOf(holder));
  return moved;
}

void AbsentSessions::Finish(const ConnectionId& holder, Absence absence) {
  const ConnectRequest& request = absence.successor();
  const ConnectionId connection = FromBytes(request.connection());
  const Session before = absence.session();

  Session session = request.session();
  session.set_session_id(before.session_id());
  if (!before.registered().empty()) session.set_registered(before.registered());
  session.set_has_rows(before.has_rows() || session.has_rows());
  session.set_resumed(true);
  const std::optional<std::string_view> got = Got(request);
  session.set_missed(Mailbox(context_, options_, holder).MissedBy(got, [&](std::string_view below) {
    return memory_.sent_log.CountBetween(*got, below, holder, context_.now_ms());
  }));
  if (memory_.resume_metrics != nullptr) memory_.resume_metrics->Resumed(session.missed());
  session.set_used_token_hash(request.token_hash());
  session.set_used_token_holder(request.token_holder());
  const std::string token = IssueToken(options_, connection, &session);
  SaveSession(context_, connection, session);

  if (!before.other_token_hash().empty() && !before.used_token_holder().empty()) {
    context_.Delete(ForwardKey(FromBytes(before.used_token_holder())));
  }
  // The rows of the session are the successor's by now; the mail stays until it is known to have arrived.
  // Should the hub be rebuilt before, the deadline wakes it.
  Forget(holder, absence);
  Deadlines(context_).Remove(absence.expires_ms(), Deadlines::SubjectOf(holder));
  absence.set_handed_over(true);
  absence.clear_session();
  absence.set_expires_ms(context_.now_ms() + kLookAgainMs);
  context_.Put(AbsenceKey(holder), absence.SerializeAsString());
  Deadlines(context_).Add(absence.expires_ms(), Deadlines::SubjectOf(holder));
  memory_.unconfirmed[connection] = holder;
  Tell(holder, absence, token);
}

void AbsentSessions::Tell(const ConnectionId& holder, const Absence& absence, const std::string& token) {
  const ConnectRequest& request = absence.successor();
  const ConnectionId connection = FromBytes(request.connection());
  const std::optional<Connection> open = context_.FindConnection(connection);
  SendConnected(context_, options_, request, LoadSession(*open), token);

  std::map<std::string, std::string> kept;
  const std::optional<std::string_view> got = Got(request);
  Mailbox(context_, options_, holder).ForEach([&](const Mailbox::Kept& message) {
    if (message.IsFor(got)) kept.emplace(message.key, message.frame);
  });
  if (got.has_value()) {
    memory_.sent_log.ForEachAfter(*got, holder, context_.now_ms(), [&](const std::string& frame) {
      kept.try_emplace(MessageKeyOf(frame), frame);
    });
  }
  for (auto& [key, frame] : kept) {
    context_.Send(connection, Message::ReturnableText(frame));
    memory_.sent_log.Record(context_.now_ms(), std::string(MessageIdOf(key)),
                            {{connection, std::move(frame)}}, "");
  }
  context_.Confirm(connection);
}

void AbsentSessions::OnConfirmed(const ConnectionId& successor) {
  const auto known = memory_.unconfirmed.find(successor);
  if (known == memory_.unconfirmed.end()) return;
  const ConnectionId holder = known->second;
  const std::optional<Absence> absence = Read(holder);
  if (!absence.has_value()) return;
  if (absence->mail_only()) return ConfirmMail(holder, successor, *absence);
  if (memory_.told_before.erase(successor) == 0) {
    Settle(holder, *absence);
  } else if (const std::optional<Connection> open = context_.FindConnection(successor)) {
    // What was sent before the hub was rebuilt may be lost, or not; the token is known to the client alone.
    Session session = LoadSession(*open);
    const std::string token = IssueAnotherToken(options_, successor, &session);
    SaveSession(context_, successor, session);
    Tell(holder, *absence, token);
  } else {
    // Its socket is gone as well. If the session waits there, the mail belongs there, and the token that the
    // client has may be the one of before.
    if (memory_.absent.contains(successor) && !memory_.ended.contains(successor)) {
      TakeBackConnected(successor);
      std::vector<Mailbox::Kept> mail;  // `visit` must not write
      Mailbox(context_, options_, holder).ForEach([&](const Mailbox::Kept& message) {
        if (message.IsFor(Got(absence->successor()))) mail.push_back(message);
      });
      Mailbox box(context_, options_, successor);
      for (const auto& [key, frame, unconfirmed] : mail) box.Put(key, frame);
    }
    Settle(holder, *absence);
  }
}

void AbsentSessions::Settle(const ConnectionId& holder, const Absence& absence) {
  memory_.unconfirmed.erase(FromBytes(absence.successor().connection()));
  Mailbox(context_, options_, holder).RemoveSome(SIZE_MAX);
  context_.Delete(AbsenceKey(holder));
  Deadlines(context_).Remove(absence.expires_ms(), Deadlines::SubjectOf(holder));
  Deadlines(context_).SetAlarm();
}

void AbsentSessions::LoseSuccessor(const ConnectionId& holder, Absence absence) {
  memory_.successors.erase(FromBytes(absence.successor().connection()));
  absence.clear_successor();
  Save(holder, absence);
  Deadlines(context_).Add(std::max(absence.expires_ms(), context_.now_ms()), Deadlines::SubjectOf(holder));
}

}  // namespace dormouse::signal
