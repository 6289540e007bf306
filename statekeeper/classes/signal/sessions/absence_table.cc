#include "statekeeper/classes/signal/sessions/absence_table.h"

#include <algorithm>
#include <utility>

#include "statekeeper/classes/signal/state/deadlines.h"
#include "statekeeper/classes/signal/state/session.h"

namespace dormouse::signal {
namespace {

constexpr std::string_view kAbsencePrefix = "d/";

std::string AbsenceKey(const ConnectionId& holder) { return std::string(kAbsencePrefix) + holder.ToString(); }
std::string ForwardKey(const ConnectionId& holder) { return "f/" + holder.ToString(); }

}  // namespace

AbsenceState StateOf(const Absence& absence) {
  if (absence.ended()) return AbsenceState::kEnded;
  if (absence.handed_over()) return AbsenceState::kHandedOver;
  if (absence.has_successor()) return AbsenceState::kResuming;
  return absence.waiting_registers().empty() ? AbsenceState::kWaiting : AbsenceState::kRegisterWaits;
}

std::vector<ConnectionId> PlacesOf(const ConnectionId& holder, const Absence& absence) {
  std::vector<ConnectionId> places = {holder};
  for (const std::string& place : absence.other_places()) places.push_back(StoredConnection(place));
  return places;
}

void AbsenceTable::Load() {
  ResumeMemory& memory = parts_.memory.resume;
  std::vector<std::pair<int64_t, ConnectionId>> waiting;  // since when is the same as until when
  parts_.context.List(kAbsencePrefix, [&](std::string_view key, std::string_view value) {
    const auto holder = ConnectionId::Parse(key.substr(kAbsencePrefix.size()));
    if (!holder.has_value()) return true;
    Absence absence;
    absence.ParseFromArray(value.data(), static_cast<int>(value.size()));
    const AbsenceState state = StateOf(absence);
    if (state == AbsenceState::kHandedOver) {
      memory.unconfirmed[StoredConnection(absence.successor().connection())] = {*holder,
                                                                                /*before_wake=*/true};
    } else {
      AddToIndex(*holder, absence);
      if (state == AbsenceState::kWaiting) waiting.emplace_back(absence.expires_ms(), *holder);
    }
    if (absence.has_successor() || !absence.waiting_registers().empty())
      memory.to_ask_again.push_back(*holder);
    return true;
  });
  std::ranges::sort(waiting);
  for (const auto& [until_ms, holder] : waiting) memory.by_age.push_back(holder);
}

std::optional<Absence> AbsenceTable::Find(const ConnectionId& holder) {
  const ConnectionId* known = parts_.memory.absent.HolderOf(holder);
  if (known == nullptr || *known != holder) return std::nullopt;
  return Read(holder);
}

std::optional<Absence> AbsenceTable::Read(const ConnectionId& holder) {
  const std::optional<std::string> row = parts_.context.Get(AbsenceKey(holder));
  if (!row.has_value()) return std::nullopt;
  Absence absence;
  absence.ParseFromString(*row);
  return absence;
}

void AbsenceTable::PutRow(const ConnectionId& holder, const Absence& absence) {
  parts_.context.Put(AbsenceKey(holder), absence.SerializeAsString());
}

void AbsenceTable::Put(const ConnectionId& holder, const Absence& absence) {
  PutRow(holder, absence);
  AddToIndex(holder, absence);
}

void AbsenceTable::AddToIndex(const ConnectionId& holder, const Absence& absence) {
  for (const ConnectionId& place : PlacesOf(holder, absence)) {
    parts_.memory.absent.Add(place, holder, absence.ended());
  }
  if (absence.has_successor()) {
    parts_.memory.resume.successors[StoredConnection(absence.successor().connection())] = holder;
  }
}

void AbsenceTable::RemoveFromIndex(const ConnectionId& holder, const Absence& absence) {
  for (const ConnectionId& place : PlacesOf(holder, absence)) parts_.memory.absent.Remove(place);
  parts_.memory.resume.successors.erase(StoredConnection(absence.successor().connection()));
  parts_.memory.resume.recalls.erase(holder);
}

void AbsenceTable::RemoveRow(const ConnectionId& holder) { parts_.context.Delete(AbsenceKey(holder)); }

void AbsenceTable::LookAt(const ConnectionId& holder, int64_t due_ms) {
  Deadlines(parts_.context).Add(due_ms, Deadlines::SubjectOf(holder));
}

void AbsenceTable::DoNotLookAt(const ConnectionId& holder, int64_t due_ms) {
  if (due_ms != 0) Deadlines(parts_.context).Remove(due_ms, Deadlines::SubjectOf(holder));
}

bool AbsenceTable::HasAllBack(const ConnectionId& holder) {
  const auto [recall, is_new] = parts_.memory.resume.recalls.emplace(holder, ResumeMemory::Recall::kAsked);
  if (is_new) parts_.context.Recall(holder);
  return recall->second == ResumeMemory::Recall::kDone;
}

std::optional<ConnectionId> AbsenceTable::ForwardedFrom(const ConnectionId& holder) {
  const std::optional<std::string> row = parts_.context.Get(ForwardKey(holder));
  return row.has_value() ? ConnectionId::FromBytes(*row) : std::nullopt;
}

void AbsenceTable::Forward(const ConnectionId& holder, const ConnectionId& to) {
  parts_.context.Put(ForwardKey(holder), to.ToBytes());
}

void AbsenceTable::RemoveForward(const Session& session) {
  if (session.used_token_holder().empty()) return;
  parts_.context.Delete(ForwardKey(StoredConnection(session.used_token_holder())));
}

}  // namespace dormouse::signal
