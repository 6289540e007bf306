#include "statekeeper/classes/signal/registry/presence.h"

#include <vector>

#include "common/json/json_writer.h"
#include "statekeeper/classes/signal/protocol/address.h"
#include "statekeeper/classes/signal/protocol/envelope.h"
#include "statekeeper/classes/signal/registry/subscriptions.h"

namespace dormouse::signal {
namespace {

// Of all that one call sends. A session with thousands of addresses that ends before thousands of watchers
// must not take its own end beyond what an event may send.
constexpr size_t kMaxBytes = 8 << 20;

std::string_view NameOf(Presence::Change change) {
  switch (change) {
    case Presence::Change::kJoined:
      return "joined";
    case Presence::Change::kLost:
      return "lost";
    case Presence::Change::kResumed:
      return "resumed";
    case Presence::Change::kLeft:
      break;
  }
  return "left";
}

}  // namespace

void Presence::Tell(std::span<const std::string> addresses, Change change) {
  const std::string topic(kPresenceTopic);
  Subscriptions subscriptions(context_);
  if (addresses.empty() || !subscriptions.HasSubscribers(topic)) return;
  std::vector<Context::HeadedRecipient> watchers[2];  // by form: bare, canonical
  subscriptions.ForEach(topic, /*wildcards=*/false, [&](const ConnectionId& connection, const Address& who) {
    if (memory_.absent.Contains(connection)) return;
    watchers[who.canonical ? 1 : 0].push_back({connection, EnvelopeHead(who.ToJson())});
  });
  size_t bytes = 0;
  for (const std::string& address : addresses) {
    for (const bool canonical : {false, true}) {
      const auto& recipients = watchers[canonical ? 1 : 0];
      if (recipients.empty()) continue;
      const std::string hub = Address{std::string(kHubAddress), canonical}.ToJson();
      const std::string payload = JsonWriter()
                                      .Raw("actorAddress", Address{address, canonical}.ToJson())
                                      .String("event", NameOf(change))
                                      .Int("at", context_.now_ms())
                                      .Finish();
      const std::string metadata = JsonWriter()
                                       .String("topic", topic)
                                       .Bool("publication", true)
                                       .Bool("forwarded", true)
                                       .Raw("via", hub)
                                       .Finish();
      const std::string tail = NewEnvelopeTail(
          {.type = "hub:presence", .from = hub, .payload = payload, .metadata = metadata}, context_.now_ms());
      bytes += recipients.size() * (tail.size() + recipients.front().head.size());
      if (bytes > kMaxBytes) return;
      context_.SendEach(recipients, Message::Text(tail));
    }
  }
}

}  // namespace dormouse::signal
