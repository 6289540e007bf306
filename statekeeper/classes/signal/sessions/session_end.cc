#include "statekeeper/classes/signal/sessions/session_end.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "statekeeper/classes/signal/delivery/mailbox.h"
#include "statekeeper/classes/signal/registry/registry.h"
#include "statekeeper/classes/signal/registry/subscriptions.h"
#include "statekeeper/classes/signal/sessions/connected.h"
#include "statekeeper/classes/signal/state/session.h"

namespace dormouse::signal {

void SessionEnd::Detach(const ConnectionId& connection, const Session& session) {
  Absence absence;
  *absence.mutable_session() = session;
  absence.set_expires_ms(parts_.context.now_ms() + parts_.options.resume_window.count());
  absences_.Put(connection, absence);
  absences_.LookAt(connection, absence.expires_ms());
  absences_.HasAllBack(connection);
  parts_.memory.resume.by_age.push_back(connection);
  EndOldest();
}

void SessionEnd::EndOldest() {
  auto& by_age = parts_.memory.resume.by_age;
  while (!by_age.empty()) {
    const ConnectionId oldest = by_age.front();
    std::optional<Absence> absence = absences_.Find(oldest);
    if (absence.has_value() && StateOf(*absence) == AbsenceState::kWaiting) {
      if (parts_.memory.absent.CountPlaces() <= parts_.options.max_absent) return;
      EndAbsent(oldest, std::move(*absence), kRowsPerStep);
    }
    by_age.pop_front();
  }
}

void SessionEnd::End(const ConnectionId& connection, const Session& session) {
  Absence absence;
  *absence.mutable_session() = session;
  EndAbsent(connection, std::move(absence), kRowsPerStep);
}

void SessionEnd::EndAt(const ConnectionId& connection) {
  if (const ConnectionId* known = parts_.memory.absent.HolderOf(connection)) {
    const ConnectionId holder = *known;
    std::optional<Absence> absence = absences_.Find(holder);
    if (absence.has_value() && !absence->ended()) EndAbsent(holder, std::move(*absence), kRowsPerStep);
  } else if (const std::optional<Connection> open = parts_.context.FindConnection(connection)) {
    End(connection, LoadSession(*open));
  }
}

size_t SessionEnd::EndAbsent(const ConnectionId& holder, Absence absence, size_t limit) {
  absences_.RemoveForward(absence.session());
  absences_.DoNotLookAt(holder, absence.expires_ms());
  if (absence.has_successor()) {
    const ConnectRequest request = std::move(*absence.mutable_successor());
    const ConnectionId successor = StoredConnection(request.connection());
    parts_.memory.resume.successors.erase(successor);
    absence.clear_successor();
    const std::vector<ConnectionId> places = PlacesOf(holder, absence);
    if (std::ranges::find(places, successor) != places.end()) {
      // It has rows of the session, and cannot begin another with them.
      parts_.context.Close(successor, kNormalClosure, "Session ended");
    } else if (parts_.context.FindConnection(successor).has_value()) {
      BeginSession(parts_.context, parts_.options, request);
    }
  }
  return RemoveRows(holder, absence, limit);
}

size_t SessionEnd::RemoveRows(const ConnectionId& holder, const Absence& absence, size_t limit) {
  size_t removed = 0;
  if (absence.session().has_rows()) {
    for (const ConnectionId& place : PlacesOf(holder, absence)) {
      removed += Registry(parts_.context, parts_.memory).RemoveSomeOf(place, limit - removed);
      removed += Subscriptions(parts_.context).RemoveSomeOf(place, limit - removed);
    }
  }
  if (absence.session().has_rows() || absence.expires_ms() != 0) {
    removed += Mailbox(parts_.context, parts_.options, holder).RemoveSome(limit - removed);
  }
  if (removed < limit) {
    if (parts_.memory.absent.Contains(holder)) {
      absences_.RemoveFromIndex(holder, absence);
      absences_.RemoveRow(holder);
    }
    return removed;
  }
  Absence rest;
  rest.set_ended(true);
  rest.mutable_session()->set_has_rows(true);
  *rest.mutable_other_places() = absence.other_places();
  absences_.Put(holder, rest);
  absences_.LookAt(holder, parts_.context.now_ms());
  return removed;
}

}  // namespace dormouse::signal
