#include "statekeeper/classes/signal/subscriptions.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <vector>

namespace dormouse::signal {
namespace {

constexpr size_t kUuidSize = 36;
constexpr size_t kMaxTopic = 256;

std::string TopicKey(const ConnectionId& connection, const Subscriptions::Key& key) {
  return fmt::format("t/{} {} {}", key.topic, connection.ToString(), key.address);
}
std::string OwnPrefix(const ConnectionId& connection) {
  return fmt::format("s/{}/t/", connection.ToString());
}
std::string OwnKey(const ConnectionId& connection, const Subscriptions::Key& key) {
  return fmt::format("{}{} {}", OwnPrefix(connection), key.topic, key.address);
}

constexpr std::string_view kBare = "b";
constexpr std::string_view kCanonical = "c";

}  // namespace

bool IsValidTopic(std::string_view topic) {
  return !topic.empty() && topic.size() <= kMaxTopic && std::ranges::all_of(topic, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '/' ||
           c == '_' || c == '-';
  });
}

std::string Subscriptions::Add(const ConnectionId& connection, const std::string& topic,
                               const Address& subscriber) {
  const Key key{topic, subscriber.bare};
  if (std::optional<std::string> id = context_.Get(OwnKey(connection, key))) return *id;
  std::string id = NewUuid();
  context_.Put(OwnKey(connection, key), id);
  context_.Put(TopicKey(connection, key), subscriber.canonical ? kCanonical : kBare);
  return id;
}

std::optional<Subscriptions::Key> Subscriptions::FindByTopic(const ConnectionId& connection,
                                                             const std::string& topic,
                                                             const std::string& address) {
  std::optional<Key> found;
  ForEachOwn(connection, topic + " ", [&](const Key& key, std::string_view) {
    if (!found.has_value() || key.address == address) found = key;
    return true;
  });
  return found;
}

std::optional<Subscriptions::Key> Subscriptions::FindById(const ConnectionId& connection,
                                                          const std::string& id) {
  std::optional<Key> found;
  ForEachOwn(connection, "", [&](const Key& key, std::string_view its_id) {
    if (its_id == id) found = key;
    return !found.has_value();
  });
  return found;
}

void Subscriptions::Remove(const ConnectionId& connection, const Key& key) {
  context_.Delete(OwnKey(connection, key));
  context_.Delete(TopicKey(connection, key));
}

void Subscriptions::RemoveAllOf(const ConnectionId& connection, const std::string& address) {
  std::vector<Key> own;
  ForEachOwn(connection, "", [&](const Key& key, std::string_view) {
    if (key.address == address) own.push_back(key);
    return true;
  });
  for (const Key& key : own) Remove(connection, key);
}

void Subscriptions::Move(const std::string& address, const ConnectionId& from, const ConnectionId& to) {
  std::vector<Own> all;
  ForEachOwn(from, "", [&](const Key& key, std::string_view id) {
    if (key.address == address) all.push_back({key, std::string(id)});
    return true;
  });
  for (const Own& own : all) Move(own, from, to);
}

size_t Subscriptions::RemoveSomeOf(const ConnectionId& connection, size_t limit) {
  const std::vector<Own> some = SomeOf(connection, limit);
  for (const Own& own : some) Remove(connection, own.key);
  return some.size();
}

size_t Subscriptions::MoveSome(const ConnectionId& from, const ConnectionId& to, size_t limit) {
  const std::vector<Own> some = SomeOf(from, limit);
  for (const Own& own : some) Move(own, from, to);
  return some.size();
}

std::vector<Subscriptions::Own> Subscriptions::SomeOf(const ConnectionId& connection, size_t limit) {
  std::vector<Own> some;
  if (limit == 0) return some;
  ForEachOwn(connection, "", [&](const Key& key, std::string_view id) {
    some.push_back({key, std::string(id)});
    return some.size() < limit;
  });
  return some;
}

void Subscriptions::Move(const Own& own, const ConnectionId& from, const ConnectionId& to) {
  const std::string form = context_.Get(TopicKey(from, own.key)).value_or(std::string(kBare));
  Remove(from, own.key);
  context_.Put(OwnKey(to, own.key), own.id);
  context_.Put(TopicKey(to, own.key), form);
}

void Subscriptions::ForEach(const std::string& topic, const Visit& visit) {
  const std::string prefix = "t/" + topic + " ";
  context_.List(prefix, [&](std::string_view key, std::string_view form) {
    key.remove_prefix(prefix.size());
    if (const auto connection = ConnectionId::Parse(key.substr(0, kUuidSize))) {
      visit(*connection, Address{std::string(key.substr(kUuidSize + 1)), form == kCanonical});
    }
    return true;
  });
}

void Subscriptions::ForEachOwn(const ConnectionId& connection, std::string_view prefix,
                               const VisitOwn& visit) {
  const std::string own = OwnPrefix(connection);
  context_.List(own + std::string(prefix), [&](std::string_view key, std::string_view id) {
    key.remove_prefix(own.size());
    const size_t space = key.find(' ');
    return visit(Key{std::string(key.substr(0, space)), std::string(key.substr(space + 1))}, id);
  });
}

}  // namespace dormouse::signal
