#include "statekeeper/classes/signal/registry/subscriptions.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

#include "statekeeper/classes/signal/protocol/topic.h"

namespace dormouse::signal {
namespace {

constexpr size_t kUuidSize = 36;

constexpr const char* kTopicCountRow = "tn";
constexpr std::string_view kWildcardRows = "w/";
constexpr std::string_view kConnectionRows = "c/";

std::string TopicRow(std::string_view topic) {
  return fmt::format("{}{}", HasWildcards(topic) ? kWildcardRows : "t/", topic);
}
std::string ConnectionRow(const ConnectionId& connection) {
  return fmt::format("{}{}", kConnectionRows, connection.ToString());
}
std::string TopicKey(const ConnectionId& connection, const Subscriptions::Key& key) {
  return fmt::format("{} {} {}", TopicRow(key.topic), connection.ToString(), key.address);
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

std::variant<std::string, Subscriptions::Full> Subscriptions::Add(const ConnectionId& connection,
                                                                  const std::string& topic,
                                                                  const Address& subscriber,
                                                                  const Limits& limits) {
  const Key key{topic, subscriber.bare};
  if (std::optional<std::string> id = context_.Get(OwnKey(connection, key))) return *id;
  if (CountOf(ConnectionRow(connection)) >= limits.subscriptions) return Full::kSubscriptions;
  if (CountOf(TopicRow(topic)) == 0 && CountOf(kTopicCountRow) >= limits.topics) return Full::kTopics;
  std::string id = NewUuid();
  Insert(connection, key, id, subscriber.canonical ? kCanonical : kBare);
  return id;
}

void Subscriptions::Insert(const ConnectionId& connection, const Key& key, const std::string& id,
                           std::string_view form) {
  if (!context_.Get(OwnKey(connection, key))) {
    Count(ConnectionRow(connection), 1);
    if (Count(TopicRow(key.topic), 1) == 1) Count(kTopicCountRow, 1);
  }
  context_.Put(OwnKey(connection, key), id);
  context_.Put(TopicKey(connection, key), form);
}

int64_t Subscriptions::CountOf(const std::string& row) {
  const std::optional<std::string> count = context_.Get(row);
  return count.has_value() ? std::stoll(*count) : 0;
}

int64_t Subscriptions::Count(const std::string& row, int change) {
  const int64_t count = CountOf(row) + change;
  if (count > 0) {
    context_.Put(row, std::to_string(count));
  } else {
    context_.Delete(row);
  }
  return count;
}

bool Subscriptions::HasSubscribers(const std::string& topic) { return CountOf(TopicRow(topic)) > 0; }

int64_t Subscriptions::CountTopics() { return CountOf(kTopicCountRow); }

int64_t Subscriptions::CountAll() {
  int64_t count = 0;
  context_.List(kConnectionRows, [&count](std::string_view, std::string_view of_one) {
    count += std::stoll(std::string(of_one));
    return true;
  });
  return count;
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
  if (!context_.Get(OwnKey(connection, key))) return;
  context_.Delete(OwnKey(connection, key));
  context_.Delete(TopicKey(connection, key));
  Count(ConnectionRow(connection), -1);
  if (Count(TopicRow(key.topic), -1) == 0) Count(kTopicCountRow, -1);
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
  Insert(to, own.key, own.id, form);
}

void Subscriptions::ForEach(const std::string& topic, bool wildcards, const Visit& visit) {
  const auto visit_one = [&](std::string_view connection_and_address, std::string_view form) {
    if (const auto connection = ConnectionId::Parse(connection_and_address.substr(0, kUuidSize))) {
      const std::string address(connection_and_address.substr(kUuidSize + 1));
      visit(*connection, Address{address, form == kCanonical});
    }
  };
  std::map<std::string, std::string, std::less<>> matching;  // connection and address -> form
  if (wildcards && HasRows(std::string(kWildcardRows))) {
    const PatternTree tree{
        [&](const std::string& pattern) { return HasWildcards(pattern) && CountOf(TopicRow(pattern)) > 0; },
        [&](const std::string& prefix) { return HasRows(fmt::format("{}{}/", kWildcardRows, prefix)); }};
    for (const std::string& pattern : MatchingPatterns(topic, tree)) {
      ForEachOf(TopicRow(pattern), [&](std::string_view subscriber, std::string_view form) {
        matching.emplace(subscriber, form);
      });
    }
  }
  ForEachOf(TopicRow(topic), [&](std::string_view subscriber, std::string_view form) {
    if (const auto same = matching.find(subscriber); same != matching.end()) matching.erase(same);
    visit_one(subscriber, form);
  });
  for (const auto& [subscriber, form] : matching) visit_one(subscriber, form);
}

void Subscriptions::ForEachOf(const std::string& topic_row, const Subscriber& visit) {
  const std::string prefix = topic_row + " ";
  context_.List(prefix, [&](std::string_view key, std::string_view form) {
    visit(key.substr(prefix.size()), form);
    return true;
  });
}

bool Subscriptions::HasRows(const std::string& prefix) {
  bool has = false;
  context_.List(prefix, [&](std::string_view, std::string_view) {
    has = true;
    return false;
  });
  return has;
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
