// Topics: subscribe, unsubscribe, publish.
#include <algorithm>
#include <optional>
#include <string>
#include <variant>

#include "common/json/json_writer.h"
#include "statekeeper/classes/signal/messages/delivery.h"
#include "statekeeper/classes/signal/messages/handlers.h"
#include "statekeeper/classes/signal/messages/permissions.h"
#include "statekeeper/classes/signal/protocol/topic.h"
#include "statekeeper/classes/signal/registry/presence.h"
#include "statekeeper/classes/signal/registry/subscriptions.h"

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

// Of a subscription: it may have wildcards, where the operator lets it.
std::optional<std::string> ReadTopics(const Call& call) {
  std::optional<std::string> topic = JsonString(call.request.payload.Find("topic"));
  if (!topic.has_value() || !HasWildcards(*topic)) return ReadTopic(call);
  if (!call.options.topic_wildcards) {
    call.FailBadPayload(
        "payload.topic is missing or no topic.",
        "Subscribe to each topic by its name: this hub takes no wildcards unless its operator "
        "sets the option topic-wildcards.");
    return std::nullopt;
  }
  if (const std::string wrong = WrongWithWildcards(*topic); !wrong.empty()) {
    call.FailBadPayload("payload.topic cannot be used: " + wrong + ".",
                        "Send payload.topic with '+' for one level or '#' for the last ones, such as "
                        "\"sensors/+/temperature\" or \"sensors/#\".");
    return std::nullopt;
  }
  return topic;
}

HubError FullError(Subscriptions::Full full, const Options& options) {
  if (full == Subscriptions::Full::kSubscriptions) {
    return LimitError("SUBSCRIPTION_LIMIT", options.max_subscriptions,
                      "This session has as many subscriptions as it may.",
                      options.topic_wildcards ? "Unsubscribe from other topics, or subscribe with wildcards."
                                              : "Unsubscribe from other topics first.");
  }
  return LimitError(
      "TOPIC_LIMIT", options.max_topics, "This hub has as many topics with subscribers as it may.",
      "Subscribe to a topic that has subscribers, wait until others unsubscribe, or use another "
      "hub.");
}

}  // namespace

void OnHubSubscribe(Call& call) {
  const std::optional<std::string> topic = ReadTopics(call);
  if (!topic.has_value()) return;
  if (!call.from.has_value()) {
    call.FailBadSender();
    return;
  }
  if (*topic == kPresenceTopic && !MayWatch(call)) return;
  const auto added =
      Subscriptions(call.context)
          .Add(call.connection.id, *topic, ActingActor(call),
               {.subscriptions = call.options.max_subscriptions, .topics = call.options.max_topics});
  if (const auto* full = std::get_if<Subscriptions::Full>(&added)) {
    call.Fail(FullError(*full, call.options));
    return;
  }
  if (!call.session.has_rows()) {
    call.session.set_has_rows(true);
    SaveSession(call.context, call.connection.id, call.session);
  }
  call.Answer(
      JsonWriter().String("topic", *topic).String("subscriptionId", std::get<std::string>(added)).Finish());
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
  if (std::max(topic.size(), id.size()) > kMaxTopic) {
    call.FailBadPayload("payload.topic or payload.subscriptionId is too long to be one.",
                        "Send payload.topic, or payload.subscriptionId as hub:subscribed gave it.");
    return;
  }
  Subscriptions subscriptions(call.context);
  std::optional<Subscriptions::Key> key;
  if (!id.empty()) key = subscriptions.FindById(call.connection.id, id);
  if (!key.has_value() && (IsValidTopic(topic) || WrongWithWildcards(topic).empty())) {
    const std::string actor = call.from.has_value() ? ActingActor(call).bare : "";
    key = subscriptions.FindByTopic(call.connection.id, topic, actor);
    if (!key.has_value()) key = subscriptions.FindById(call.connection.id, topic);
  }
  if (key.has_value()) subscriptions.Remove(call.connection.id, *key);
  if (!call.WantsAnswer()) return;

  // What is not there (any more) is unsubscribed from, too.
  const std::string& named = key.has_value() ? key->topic : topic;
  call.Answer(JsonWriter()
                  .Raw("topic", named.empty() ? "null" : JsonQuoted(named))
                  .Int("unsubscribedAt", call.context.now_ms())
                  .Finish());
}

void OnHubPublish(Call& call) {
  const std::optional<std::string> topic = ReadTopic(call);
  if (!topic.has_value()) return;
  if (*topic == kPresenceTopic) {
    call.Fail({ErrorCode::kUnauthorized,
               "The topic hub/presence is the hub's own: nobody else publishes there.",
               "Publish to another topic."});
    return;
  }
  const auto content = ReadContent(call, {"topic"});
  if (!content.has_value()) return;
  Delivery delivery(call, *content, call.request.id,
                    JsonWriter().String("topic", *topic).Bool("publication", true));
  Subscriptions(call.context)
      .ForEach(*topic, call.options.topic_wildcards,
               [&](const ConnectionId& connection, const Address& subscriber) {
                 delivery.Add(connection, subscriber);
               });
  if (!delivery.MayBeSent()) return;
  const Delivery::Outcome outcome = delivery.Send();
  call.Answer(JsonWriter()
                  .String("topic", *topic)
                  .Int("subscriberCount", static_cast<int64_t>(outcome.delivered + outcome.queued))
                  .Bool("delivered", outcome.delivered > 0)
                  .Int("queued", static_cast<int64_t>(outcome.queued))
                  .Int("timestamp", call.context.now_ms())
                  .Finish());
}

}  // namespace dormouse::signal
