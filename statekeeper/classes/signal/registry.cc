#include "statekeeper/classes/signal/registry.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>
#include <vector>

namespace dormouse::signal {
namespace {

constexpr std::string_view kCountKey = "n";
constexpr size_t kExpirySize = 15;

// Sorts as time does.
std::string ExpiryText(int64_t expires_ms) { return fmt::format("{:0{}}", expires_ms, kExpirySize); }

int64_t ExpiryFromText(std::string_view text) {
  int64_t expires_ms = 0;
  std::from_chars(text.data(), text.data() + text.size(), expires_ms);
  return expires_ms;
}

std::string ActorKey(std::string_view address) { return fmt::format("a/{}", address); }
std::string ExpiryKey(std::string_view expiry, std::string_view address) {
  return fmt::format("x/{}/{}", expiry, address);
}
std::string OwnPrefix(std::string_view connection) { return fmt::format("s/{}/a/", connection); }

}  // namespace

ConnectionId ConnectionOf(const Registration& registration) {
  return ConnectionId::FromBytes(registration.connection()).value_or(ConnectionId{});
}

std::optional<Registration> Registry::FindEvenExpired(const std::string& address) {
  const std::optional<std::string> row = context_.Get(ActorKey(address));
  if (!row.has_value()) return std::nullopt;
  Registration registration;
  registration.ParseFromString(*row);
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
  size_t expired = 0;
  context_.List("x/", [&](std::string_view key, std::string_view) {
    if (ExpiryFromText(key.substr(2, kExpirySize)) > context_.now_ms()) return false;
    ++expired;
    return true;
  });
  return row_count() - expired;
}

void Registry::SetRowCount(size_t count) {
  if (count > 0) {
    context_.Put(kCountKey, std::to_string(count));
  } else {
    context_.Delete(kCountKey);
    context_.DeleteAlarm();
  }
}

void Registry::Put(const std::string& address, const Registration& registration,
                   const std::optional<Registration>& old) {
  const std::string connection = ConnectionOf(registration).ToString();
  const std::string expiry = ExpiryText(registration.expires_ms());
  if (old.has_value()) {
    Forget(address, ConnectionOf(*old).ToString(), ExpiryText(old->expires_ms()));
  } else {
    SetRowCount(row_count() + 1);
  }
  context_.Put(ActorKey(address), registration.SerializeAsString());
  context_.Put(OwnPrefix(connection) + address, expiry);
  context_.Put(ExpiryKey(expiry, address), "1");
  ExpectExpiry(registration.expires_ms());
}

void Registry::Remove(const std::string& address, const Registration& registration) {
  Forget(address, ConnectionOf(registration).ToString(), ExpiryText(registration.expires_ms()));
  SetRowCount(row_count() - 1);
}

void Registry::RemoveAllOf(const ConnectionId& connection) {
  const std::string name = connection.ToString();
  const std::string prefix = OwnPrefix(name);
  std::vector<std::pair<std::string, std::string>> own;  // address, expiry
  context_.List(prefix, [&](std::string_view key, std::string_view expiry) {
    own.emplace_back(key.substr(prefix.size()), expiry);
    return true;
  });
  if (own.empty()) return;
  for (const auto& [address, expiry] : own) Forget(address, name, expiry);
  SetRowCount(row_count() - own.size());
}

void Registry::Forget(const std::string& address, const std::string& connection, const std::string& expiry) {
  context_.Delete(ActorKey(address));
  context_.Delete(OwnPrefix(connection) + address);
  context_.Delete(ExpiryKey(expiry, address));
}

void Registry::ForEach(std::string_view prefix, const Visit& visit) {
  Registration registration;
  context_.List(ActorKey(prefix), [&](std::string_view key, std::string_view value) {
    registration.ParseFromArray(value.data(), static_cast<int>(value.size()));
    return !IsAlive(registration) || visit(key.substr(2), registration);
  });
}

void Registry::RemoveExpired(size_t limit) {
  std::vector<std::string> expired;
  std::optional<int64_t> next_ms;
  context_.List("x/", [&](std::string_view key, std::string_view) {
    const int64_t expires_ms = ExpiryFromText(key.substr(2, kExpirySize));
    if (expires_ms > context_.now_ms() || expired.size() == limit) {
      next_ms = std::max(expires_ms, context_.now_ms());
      return false;
    }
    expired.emplace_back(key.substr(2 + kExpirySize + 1));
    return true;
  });
  for (const std::string& address : expired) {
    if (const std::optional<Registration> registration = FindEvenExpired(address)) {
      Forget(address, ConnectionOf(*registration).ToString(), ExpiryText(registration->expires_ms()));
    }
  }
  if (!expired.empty()) SetRowCount(row_count() - expired.size());
  if (next_ms.has_value()) context_.SetAlarm(*next_ms);
}

void Registry::ExpectExpiry(int64_t expires_ms) {
  const std::optional<int64_t> alarm = context_.GetAlarm();
  if (!alarm.has_value() || *alarm > expires_ms) context_.SetAlarm(expires_ms);
}

}  // namespace dormouse::signal
