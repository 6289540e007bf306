#include "statekeeper/classes/signal/sessions/resumption.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "statekeeper/classes/signal/delivery/flow_control.h"
#include "statekeeper/classes/signal/registry/registry.h"
#include "statekeeper/classes/signal/registry/subscriptions.h"
#include "statekeeper/classes/signal/sessions/connected.h"
#include "statekeeper/classes/signal/sessions/hand_over.h"
#include "statekeeper/classes/signal/sessions/resume_token.h"
#include "statekeeper/classes/signal/sessions/session_end.h"
#include "statekeeper/classes/signal/state/session.h"

namespace dormouse::signal {
namespace {

constexpr std::string_view kElsewhere = "Session resumed elsewhere";

}  // namespace

bool Resumption::Resume(ConnectRequest request, std::string_view token) {
  if (parts_.options.resume_window.count() == 0) return false;
  const std::optional<ResumeToken> parsed = ResumeToken::Parse(token);
  if (!parsed.has_value()) return false;
  request.set_token_hash(parsed->hash);
  request.set_token_holder(parsed->holder.ToBytes());
  const std::optional<ConnectionId> holder = FindByToken(request);
  if (!holder.has_value()) return false;

  Absence absence = *absences_.Find(*holder);
  if (absence.has_successor()) {  // who came with the token before has lost its socket, too
    const ConnectionId before = StoredConnection(absence.successor().connection());
    parts_.memory.resume.successors.erase(before);
    parts_.context.Close(before, kNormalClosure, kElsewhere);
  }
  *absence.mutable_successor() = std::move(request);
  if (absences_.HasAllBack(*holder)) {
    MoveRows(*holder, std::move(absence), kRowsPerStep);
  } else {
    absences_.Put(*holder, absence);
    absences_.LookAgainSoon(*holder);
  }
  return true;
}

std::optional<ConnectionId> Resumption::FindByToken(const ConnectRequest& request) {
  const ConnectionId named = StoredConnection(request.token_holder());
  std::vector<ConnectionId> places = {named};
  if (const auto forwarded = absences_.ForwardedFrom(named)) places.push_back(*forwarded);
  // Handed over by a process of the version before, which has left no other trace of it.
  const auto& unconfirmed = parts_.memory.resume.unconfirmed;
  const auto successor =
      std::ranges::find_if(unconfirmed, [&](const auto& each) { return each.second.holder == named; });
  if (successor != unconfirmed.end()) places.push_back(successor->first);
  for (const ConnectionId& place : places) {
    if (const std::optional<Absence> absence = absences_.Find(place)) {
      const bool is_alive = !absence->ended() && absence->expires_ms() > parts_.context.now_ms();
      if (is_alive && IsEntitled(request, absence->session(), Knows::kPerhaps)) return place;
    } else if (const std::optional<Connection> open = parts_.context.FindConnection(place)) {
      // Its socket has died without anybody's noticing, or the client has left it.
      const Session session = LoadSession(*open);
      const Knows knows = unconfirmed.contains(place) ? Knows::kPerhaps : Knows::kSurely;
      if (!IsEntitled(request, session, knows)) continue;
      parts_.context.Close(place, kNormalClosure, kElsewhere);
      FlowControl(parts_.context, parts_.memory.congestion).OnEnd(place);
      SessionEnd(parts_).Detach(place, session);
      return place;
    }
  }
  return std::nullopt;
}

bool Resumption::IsEntitled(const ConnectRequest& request, const Session& session, Knows knows) {
  if (session.identity() != request.session().identity()) return false;
  if (HasToken(session, request.token_hash())) return true;
  return knows == Knows::kPerhaps && HasUsedToken(session, request.token_hash());
}

void Resumption::EndUsedToken(const ConnectionId& connection, Session* session) {
  if (session->used_token_hash().empty()) return;
  absences_.RemoveForward(*session);
  session->clear_used_token_hash();
  session->clear_used_token_holder();
  SaveSession(parts_.context, connection, *session);
}

void Resumption::OnRecalled(const ConnectionId& closed) {
  std::optional<Absence> absence = absences_.Find(closed);
  if (!absence.has_value()) {
    parts_.memory.resume.recalls.erase(closed);
    return;
  }
  parts_.memory.resume.recalls[closed] = ResumeMemory::Recall::kDone;
  if (absence->has_successor()) MoveRows(closed, std::move(*absence), kRowsPerStep);
}

size_t Resumption::MoveRows(const ConnectionId& holder, Absence absence, size_t limit) {
  const ConnectionId successor = StoredConnection(absence.successor().connection());
  if (!parts_.context.FindConnection(successor).has_value()) {
    Cancel(holder, std::move(absence));
    return 1;
  }
  const std::vector<ConnectionId> places = PlacesOf(holder, absence);
  size_t moved = 0;
  if (absence.session().has_rows()) {
    for (const ConnectionId& place : places) {
      if (place == successor) continue;
      moved += Registry(parts_.context, parts_.memory).MoveSome(place, successor, limit - moved);
      moved += Subscriptions(parts_.context).MoveSome(place, successor, limit - moved);
    }
  }
  if (moved < limit) {
    HandOver(parts_).Begin(holder, std::move(absence));
    return moved + 1;
  }
  if (std::ranges::find(places, successor) == places.end()) absence.add_other_places(successor.ToBytes());
  absences_.Put(holder, absence);
  absences_.LookAt(holder, parts_.context.now_ms());
  return moved;
}

void Resumption::Cancel(const ConnectionId& holder, Absence absence) {
  parts_.memory.resume.successors.erase(StoredConnection(absence.successor().connection()));
  absence.clear_successor();
  absences_.Put(holder, absence);
  absences_.LookAt(holder, std::max(absence.expires_ms(), parts_.context.now_ms()));
}

void Resumption::AskAgain() {
  ResumeMemory& memory = parts_.memory.resume;
  for (const auto& [successor, handed_over] : memory.unconfirmed) {
    if (handed_over.before_wake) parts_.context.Confirm(successor);
  }
  for (const ConnectionId& holder : std::exchange(memory.to_ask_again, {})) {
    if (parts_.memory.absent.Contains(holder)) absences_.HasAllBack(holder);
  }
}

}  // namespace dormouse::signal
