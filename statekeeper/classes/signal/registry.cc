#include "statekeeper/classes/signal/registry.h"

#include <fmt/format.h>

#include <charconv>

#include "common/secrets.h"
#include "statekeeper/classes/signal/deadlines.h"

namespace dormouse::signal {
namespace {

constexpr std::string_view kCountKey = "n";
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

}  // namespace

ConnectionId ConnectionOf(const Registration& registration) {
  return ConnectionId::FromBytes(registration.connection()).value_or(ConnectionId{});
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

size_t Registry::Count() {
  if (memory_.ended.empty()) return row_count() - Deadlines(context_).CountDueAddresses();
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
  Deadlines(context_).Add(registration.expires_ms(), address);
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
  for (const auto& [address, expiry] : own) Forget(address, connection.ToString(), ExpiryFromText(expiry));
  SetRowCount(row_count() - own.size());
  return own.size();
}

size_t Registry::MoveSome(const ConnectionId& from, const ConnectionId& to, size_t limit) {
  const std::vector<Own> own = SomeOf(from, limit);
  for (const auto& [address, expiry] : own) {
    std::optional<Registration> registration = FindEvenExpired(address);
    context_.Delete(OwnPrefix(from.ToString()) + address);
    if (!registration.has_value()) continue;
    registration->set_connection(to.ToBytes());
    context_.Put(ActorKey(address), registration->SerializeAsString());
    context_.Put(OwnPrefix(to.ToString()) + address, expiry);
  }
  return own.size();
}

void Registry::Forget(const std::string& address, const std::string& connection, int64_t expires_ms) {
  context_.Delete(ActorKey(address));
  context_.Delete(OwnPrefix(connection) + address);
  Deadlines(context_).Remove(expires_ms, address);
}

void Registry::ForEach(std::string_view prefix, const Visit& visit) {
  Registration registration;
  context_.List(ActorKey(prefix), [&](std::string_view key, std::string_view value) {
    registration.ParseFromArray(value.data(), static_cast<int>(value.size()));
    return !IsAlive(registration) || visit(key.substr(2), registration);
  });
}

void Registry::RemoveIfExpired(const std::string& address) {
  const std::optional<Registration> registration = FindEvenExpired(address);
  if (registration.has_value() && registration->expires_ms() <= context_.now_ms()) {
    Remove(address, *registration);
  }
}

}  // namespace dormouse::signal
