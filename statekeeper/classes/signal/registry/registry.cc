#include "statekeeper/classes/signal/registry/registry.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "common/auth/secrets.h"
#include "statekeeper/classes/signal/registry/presence.h"
#include "statekeeper/classes/signal/state/deadlines.h"
#include "statekeeper/classes/signal/state/session.h"

namespace dormouse::signal {
namespace {

constexpr std::string_view kCountKey = "n";
// In which the edge answers.
constexpr int64_t kAnswerMs = 2000;
// Registrations of one connection that one event looks at. More have only a coarser expiry.
constexpr size_t kLookedAt = 256;

std::string ExpiryText(int64_t expires_ms) { return std::to_string(expires_ms); }

int64_t ExpiryFromText(std::string_view text) {
  int64_t expires_ms = 0;
  std::from_chars(text.data(), text.data() + text.size(), expires_ms);
  return expires_ms;
}

std::string ActorKey(std::string_view address) { return fmt::format("a/{}", address); }
std::string OwnPrefix(std::string_view connection) { return fmt::format("s/{}/a/", connection); }

// So that a row of an earlier version is kept without its tokens from the next time on that it is written.
void HashPlainTokens(Registration* registration) {
  if (registration->plain_token().empty()) return;
  registration->add_token_hash(Sha256(registration->plain_token()));
  registration->clear_plain_token();
  if (registration->plain_used_token().empty()) return;
  registration->set_used_token_hash(Sha256(registration->plain_used_token()));
  registration->clear_plain_used_token();
}

int64_t TokenEnd(const Session& session) {
  return session.has_grant() ? session.grant().expires_ms() : INT64_MAX;
}

// That counts: heard while its token, if it has one, was good.
int64_t LastSignOfLife(const Connection& connection) {
  return std::min(connection.last_seen_ms, TokenEnd(LoadSession(connection)));
}

}  // namespace

ConnectionId ConnectionOf(const Registration& registration) {
  return StoredConnection(registration.connection());
}

std::optional<Registration> Registry::FindEvenExpired(const std::string& address) {
  const std::optional<std::string> row = context_.Get(ActorKey(address));
  if (!row.has_value()) return std::nullopt;
  Registration registration;
  registration.ParseFromString(*row);
  HashPlainTokens(&registration);
  return registration;
}

std::optional<Registration> Registry::Find(const std::string& address) {
  std::optional<Registration> registration = FindEvenExpired(address);
  if (registration.has_value() && !IsAlive(*registration)) registration.reset();
  return registration;
}

size_t Registry::row_count() {
  const std::optional<std::string> row = context_.Get(kCountKey);
  return row.has_value() ? std::stoull(*row) : 0;
}

void Registry::SetTtl(int64_t ttl_ms, const Session& session, Registration* registration) const {
  registration->set_ttl_ms(ttl_ms);
  registration->clear_asked();
  if (NeedsRenewal(ttl_ms)) {
    registration->set_expires_ms(context_.now_ms() + ttl_ms);
  } else if (session.has_grant()) {
    registration->set_expires_ms(std::max(session.grant().expires_ms(), context_.now_ms()) + ttl_ms);
  } else {
    registration->set_expires_ms(0);
  }
}

size_t Registry::Count() {
  if (!memory_.absent.HasAnyEnded()) {
    const std::vector<std::string> due = Deadlines(context_).DueAddresses();
    return row_count() - static_cast<size_t>(std::ranges::count_if(due, [this](const std::string& address) {
             const auto registration = FindEvenExpired(address);
             return registration.has_value() && !IsAlive(*registration);
           }));
  }
  size_t count = 0;  // there are rows that do not count any more
  ForEach("", [&](std::string_view, const Registration&) {
    ++count;
    return true;
  });
  return count;
}

void Registry::SetRowCount(size_t count) {
  if (count > 0) {
    context_.Put(kCountKey, std::to_string(count));
  } else {
    context_.Delete(kCountKey);
    Deadlines(context_).SetAlarm();
  }
}

void Registry::Put(const std::string& address, const Registration& registration,
                   const std::optional<Registration>& old) {
  const std::string connection = ConnectionOf(registration).ToString();
  if (old.has_value()) {
    Forget(address, ConnectionOf(*old).ToString(), old->expires_ms());
  } else {
    SetRowCount(row_count() + 1);
  }
  context_.Put(ActorKey(address), registration.SerializeAsString());
  context_.Put(OwnPrefix(connection) + address, ExpiryText(registration.expires_ms()));
  if (registration.expires_ms() != 0) Deadlines(context_).Add(registration.expires_ms(), address);
}

void Registry::Remove(const std::string& address, const Registration& registration) {
  Forget(address, ConnectionOf(registration).ToString(), registration.expires_ms());
  SetRowCount(row_count() - 1);
}

std::vector<Registry::Own> Registry::SomeOf(const ConnectionId& connection, size_t limit) {
  const std::string prefix = OwnPrefix(connection.ToString());
  std::vector<Own> own;
  if (limit == 0) return own;
  context_.List(prefix, [&](std::string_view key, std::string_view expiry) {
    own.push_back({std::string(key.substr(prefix.size())), std::string(expiry)});
    return own.size() < limit;
  });
  return own;
}

size_t Registry::RemoveSomeOf(const ConnectionId& connection, size_t limit) {
  const std::vector<Own> own = SomeOf(connection, limit);
  if (own.empty()) return 0;
  std::vector<std::string> left;
  for (const auto& [address, expiry] : own) {
    Forget(address, connection.ToString(), ExpiryFromText(expiry));
    left.push_back(address);
  }
  SetRowCount(row_count() - own.size());
  Presence(context_, memory_).Tell(left, Presence::Change::kLeft);
  return own.size();
}

size_t Registry::MoveSome(const ConnectionId& from, const ConnectionId& to, size_t limit) {
  const std::vector<Own> own = SomeOf(from, limit);
  std::vector<std::string> moved;
  for (const auto& [address, expiry] : own) {
    std::optional<Registration> registration = FindEvenExpired(address);
    context_.Delete(OwnPrefix(from.ToString()) + address);
    if (!registration.has_value()) continue;
    registration->set_connection(to.ToBytes());
    context_.Put(ActorKey(address), registration->SerializeAsString());
    context_.Put(OwnPrefix(to.ToString()) + address, expiry);
    moved.push_back(address);
  }
  Presence(context_, memory_).Tell(moved, Presence::Change::kResumed);
  return own.size();
}

void Registry::Forget(const std::string& address, const std::string& connection, int64_t expires_ms) {
  context_.Delete(ActorKey(address));
  context_.Delete(OwnPrefix(connection) + address);
  if (expires_ms != 0) Deadlines(context_).Remove(expires_ms, address);
}

void Registry::ForEach(std::string_view prefix, const Visit& visit) {
  Registration registration;
  context_.List(ActorKey(prefix), [&](std::string_view key, std::string_view value) {
    registration.ParseFromArray(value.data(), static_cast<int>(value.size()));
    return !IsAlive(registration) || visit(key.substr(2), registration);
  });
}

void Registry::Expire(const std::string& address, const Registration& registration) {
  Remove(address, registration);
  Presence(context_, memory_).Tell(address, Presence::Change::kLeft);
}

void Registry::OnDeadline(const std::string& address, std::vector<ConnectionId>* to_ask) {
  const std::optional<Registration> old = FindEvenExpired(address);
  if (!old.has_value() || old->expires_ms() == 0 || old->expires_ms() > context_.now_ms()) return;
  const ConnectionId owner = ConnectionOf(*old);
  const std::optional<Connection> open = IsOnline(*old) ? context_.FindConnection(owner) : std::nullopt;
  if (!open.has_value()) return Expire(address, *old);
  const Session session = LoadSession(*open);
  const int64_t ends_ms = LastSignOfLife(*open) + old->ttl_ms();
  if (TokenEnd(session) <= context_.now_ms() - old->ttl_ms()) return Expire(address, *old);
  Registration registration = *old;
  registration.clear_asked();
  if (!NeedsRenewal(old->ttl_ms())) {
    SetTtl(old->ttl_ms(), session, &registration);
  } else if (ends_ms > context_.now_ms()) {
    registration.set_expires_ms(ends_ms);
  } else {
    registration.set_expires_ms(context_.now_ms() + kAnswerMs);
    registration.set_asked(true);
    to_ask->push_back(owner);
  }
  Put(address, registration, old);
}

void Registry::OnSeen(const Connection& connection) {
  for (const auto& [address, expiry] : SomeOf(connection.id, kLookedAt)) {
    if (ExpiryFromText(expiry) == 0) continue;
    const std::optional<Registration> old = FindEvenExpired(address);
    if (!old.has_value() || !old->asked()) continue;
    const int64_t ends_ms = LastSignOfLife(connection) + old->ttl_ms();
    if (ends_ms <= context_.now_ms()) {
      Expire(address, *old);
      continue;
    }
    Registration registration = *old;
    registration.set_expires_ms(ends_ms);
    registration.clear_asked();
    Put(address, registration, old);
  }
  Deadlines(context_).SetAlarm();
}

void Registry::OnSocketLost(const Connection& connection, int64_t resume_window_ms) {
  const int64_t window_ends_ms = context_.now_ms() + resume_window_ms;
  std::vector<std::string> lost;
  for (const auto& [address, expiry] : SomeOf(connection.id, kLookedAt)) {
    const std::optional<Registration> old = FindEvenExpired(address);
    if (!old.has_value()) continue;
    lost.push_back(address);
    const int64_t ends_ms = LastSignOfLife(connection) + old->ttl_ms();
    const bool is_later = old->expires_ms() == 0 || old->expires_ms() > window_ends_ms;
    if (is_later && ends_ms > window_ends_ms) continue;  // ends with its session
    Registration registration = *old;
    registration.set_expires_ms(std::max(ends_ms, context_.now_ms()));
    registration.clear_asked();
    Put(address, registration, old);
  }
  Presence(context_, memory_).Tell(lost, Presence::Change::kLost);
}

}  // namespace dormouse::signal
