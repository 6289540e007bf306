// Messages between actors: send, broadcast, and application types sent as they are.
#include <algorithm>
#include <optional>
#include <string>
#include <string_view>

#include "common/json/json_writer.h"
#include "statekeeper/classes/signal/messages/delivery.h"
#include "statekeeper/classes/signal/messages/handlers.h"
#include "statekeeper/classes/signal/registry/registry.h"

namespace dormouse::signal {
namespace {

constexpr int64_t kRetryAfterSeconds = 10;
// What the hub says in the metadata of a message that it passes on.
constexpr std::string_view kOwnMetadata[] = {"forwarded", "via", "originalMessageId"};

// The id under which an answer speaks of the message: the request's own, else a new one.
std::string MessageId(const Call& call) {
  return call.request.id == "null" ? JsonQuoted(NewUuid()) : std::string(call.request.id);
}

// The sender's metadata with what the hub adds, but for `forwarded` and `via`.
JsonWriter SendMetadata(const Call& call) {
  JsonWriter metadata;
  for (const JsonMember& member : call.request.metadata.members()) {
    const bool own = std::ranges::any_of(kOwnMetadata, [&](auto name) { return member.IsCalled(name); });
    if (!own) metadata.RawMember(member.quoted_key, member.value);
  }
  metadata.Raw("originalMessageId", call.request.id);
  return metadata;
}

// Of a request between actors (clients/README.md) whose answer could not come: this session has not
// registered the address that it would go to. Better told at once than found out by waiting for it.
bool FailUnanswerable(Call& call) {
  if (!call.request.ask || call.request.metadata.Find("request") != "true") return false;
  const Address& asker = *call.from;
  if (HasRegistered(call, asker.bare)) return false;
  call.Fail({ErrorCode::kUnknownActor,
             "The answer to this request could not reach its sender: " + asker.bare + " is not registered.",
             "Register the address that is in \"from\" with hub:register first, then send the request."});
  return true;
}

// `target_json`: the target as the client wrote it.
void SendTo(Call& call, const Address& target, JsonSlice target_json, const Content& content) {
  const std::optional<Registration> registration = Registry(call.context, call.memory).Find(target.bare);
  if (!registration.has_value() || registration->takes_no_messages()) {
    if (call.request.ask) {
      call.Reply("hub:unknown_actor", JsonWriter()
                                          .Raw("actorAddress", target_json)
                                          .String("message", "Actor not registered with Signal Hub")
                                          .Finish());
    }
    return;
  }
  if (FailUnanswerable(call)) return;
  Delivery delivery(call, content, "null", SendMetadata(call));
  delivery.Add(ConnectionOf(*registration), {target.bare, registration->canonical()});
  const Delivery::Outcome outcome = delivery.Send();
  if (!call.WantsAnswer()) return;
  if (outcome.failed > 0) {
    call.Fail({ErrorCode::kRateLimited, "The actor's client is away, and no more messages are kept for it.",
               "Send it again when the client may be back.",
               JsonWriter()
                   .Int("retryAfter", kRetryAfterSeconds)
                   .Int("limit", call.options.resume_messages)
                   .String("code", "MAILBOX_FULL")
                   .Finish()});
    return;
  }
  const bool queued = outcome.queued > 0;
  JsonWriter payload;
  payload.Raw("messageId", MessageId(call))
      .Int("deliveredAt", call.context.now_ms())
      .String("status", queued ? "queued" : "delivered")
      .Bool("delivered", !queued);
  if (queued) payload.Bool("queued", true);
  call.Answer(payload.Int("timestamp", call.context.now_ms()).Finish());
}

}  // namespace

void OnHubSend(Call& call) {
  const JsonSlice in_payload = call.request.payload.Find("to");
  const JsonSlice target_json = IsJsonNothing(in_payload) ? call.request.to_json : in_payload;
  const std::optional<Address> target = Address::Parse(JsonString(target_json).value_or(""));
  if (!target.has_value() || target->bare == kHubAddress) {
    call.FailBadPayload(
        "The message names no actor to go to.",
        "Send payload.to as the address of an actor, \"runtime/name\" or \"@(runtime/name)\".");
    return;
  }
  if (const auto content = ReadContent(call, {"to"})) SendTo(call, *target, target_json, *content);
}

void OnApplicationMessage(Call& call) {
  const std::optional<Address> target = Address::Parse(call.request.to.value_or(""));
  if (!call.from.has_value() || !target.has_value() || target->bare == kHubAddress) {
    if (call.request.ask) {
      call.Fail(
          {ErrorCode::kUnknownActor, "A message of type \"" + call.request.type + "\" is not for the hub.",
           R"(Send "to" as the address of a registered actor, or use hub:send; "from" must be an address too.)"});
    }
    return;
  }
  SendTo(call, *target, call.request.to_json, {call.request.type, call.request.payload_json});
}

void OnHubBroadcast(Call& call) {
  const auto content = ReadContent(call, {"excludeSelf"});
  if (!content.has_value()) return;
  const JsonSlice exclude = call.request.payload.Find("excludeSelf");
  if (!IsJsonNothing(exclude) && exclude != "true" && exclude != "false") {
    call.FailBadPayload("payload.excludeSelf is not a boolean.",
                        "Send payload.excludeSelf as true or false.");
    return;
  }
  const JsonSlice capability = call.request.metadata.Find("targetCapability");
  const std::optional<std::string> wanted = JsonString(capability);
  if (!IsJsonNothing(capability) && !wanted.has_value()) {
    call.FailBadPayload("metadata.targetCapability is not a string.",
                        "Send metadata.targetCapability as one capability, or leave it out.");
    return;
  }
  const std::string excluded = exclude == "true" ? ActingActor(call).bare : "";

  Delivery delivery(call, *content, call.request.id, JsonWriter().Bool("broadcast", true));
  Registry(call.context, call.memory)
      .ForEach("", [&](std::string_view address, const Registration& registration) {
        if (address == excluded || registration.takes_no_messages()) return true;
        if (wanted.has_value()) {
          const auto& has = registration.capabilities();
          if (std::find(has.begin(), has.end(), *wanted) == has.end()) return true;
        }
        delivery.Add(ConnectionOf(registration), {std::string(address), registration.canonical()});
        return true;
      });
  const auto count = static_cast<int64_t>(delivery.size());
  if (const int64_t limit = call.options.broadcast_limit; limit > 0 && count > limit) {
    call.Fail({ErrorCode::kBroadcastLimitExceeded,
               "A broadcast to " + std::to_string(count) + " actors is more than the " +
                   std::to_string(limit) + " that this hub allows.",
               "", JsonWriter().Int("recipients", count).Int("limit", limit).Finish()});
    return;
  }
  if (!delivery.MayBeSent()) return;
  const Delivery::Outcome outcome = delivery.Send();
  const auto delivered = static_cast<int64_t>(outcome.delivered);
  call.Answer(JsonWriter()
                  .Raw("messageId", MessageId(call))
                  .Int("deliveredCount", delivered)
                  .Int("failedCount", static_cast<int64_t>(outcome.failed))
                  .Int("queuedCount", static_cast<int64_t>(outcome.queued))
                  .Bool("delivered", delivered > 0)
                  .Int("count", delivered)
                  .Int("timestamp", call.context.now_ms())
                  .Finish());
}

}  // namespace dormouse::signal
