// Topics: subscribe, unsubscribe, publish.
#include <optional>
#include <string>

#include "statekeeper/classes/json/json_writer.h"
#include "statekeeper/classes/signal/delivery.h"
#include "statekeeper/classes/signal/messages.h"
#include "statekeeper/classes/signal/subscriptions.h"

namespace dormouse::signal {
namespace {

constexpr const char* kTopicHint =
    "Send payload.topic as 1-256 characters of a-z, A-Z, 0-9, '/', '_' and '-'.";

std::optional<std::string> ReadTopic(const Call& call) {
  std::optional<std::string> topic = JsonString(call.request.payload.Find("topic"));
  if (topic.has_value() && IsValidTopic(*topic)) return topic;
  call.FailBadPayload("payload.topic is missing or no topic.", kTopicHint);
  return std::nullopt;
}

}  // namespace

void OnHubSubscribe(Call& call) {
  const std::optional<std::string> topic = ReadTopic(call);
  if (!topic.has_value()) return;
  if (!call.from.has_value()) {
    call.FailBadSender();
    return;
  }
  const std::string id = Subscriptions(call.context).Add(call.connection.id, *topic, ActingActor(call));
  if (!call.session.has_rows()) {
    call.session.set_has_rows(true);
    SaveSession(call.context, call.connection.id, call.session);
  }
  call.Reply("hub:subscribed", JsonWriter().String("topic", *topic).String("subscriptionId", id).Finish());
}

void OnHubUnsubscribe(Call& call) {
  // Today's clients send the subscription's id, some of them in the field of the topic.
  const std::string topic = JsonString(call.request.payload.Find("topic")).value_or("");
  std::string id = JsonString(call.request.payload.Find("subscriptionId")).value_or("");
  if (topic.empty() && id.empty()) {
    call.FailBadPayload("There is neither payload.topic nor payload.subscriptionId.",
                        "Send payload.topic, or payload.subscriptionId as hub:subscribed gave it.");
    return;
  }
  Subscriptions subscriptions(call.context);
  std::optional<Subscriptions::Key> key;
  if (!id.empty()) key = subscriptions.FindById(call.connection.id, id);
  if (!key.has_value() && IsValidTopic(topic)) {
    const std::string actor = call.from.has_value() ? ActingActor(call).bare : "";
    key = subscriptions.FindByTopic(call.connection.id, topic, actor);
    if (!key.has_value()) key = subscriptions.FindById(call.connection.id, topic);
  }
  if (key.has_value()) subscriptions.Remove(call.connection.id, *key);
  if (call.legacy() && !call.request.ask) return;

  // What is not there (any more) is unsubscribed from, too.
  const std::string& named = key.has_value() ? key->topic : topic;
  call.Reply("hub:unsubscribed", JsonWriter()
                                     .Raw("topic", named.empty() ? "null" : JsonQuoted(named))
                                     .Int("unsubscribedAt", call.context.now_ms())
                                     .Finish());
}

void OnHubPublish(Call& call) {
  const std::optional<std::string> topic = ReadTopic(call);
  if (!topic.has_value()) return;
  const auto content = ReadContent(call, {"topic"});
  if (!content.has_value()) return;
  Delivery delivery(call, *content, call.request.id,
                    JsonWriter().String("topic", *topic).Bool("publication", true));
  Subscriptions(call.context).ForEach(*topic, [&](const ConnectionId& connection, const Address& subscriber) {
    delivery.Add(connection, subscriber);
  });
  const size_t subscribers = delivery.size();
  const auto count = static_cast<int64_t>(subscribers - delivery.Send());
  call.Reply(call.legacy() ? "hub:published" : "hub:delivery_ack",
             JsonWriter()
                 .String("topic", *topic)
                 .Int("subscriberCount", count)
                 .Bool("delivered", count > 0)
                 .Int("timestamp", call.context.now_ms())
                 .Finish());
}

}  // namespace dormouse::signal
