#include "statekeeper/classes/signal/delivery.h"

#include <algorithm>
#include <utility>

namespace dormouse::signal {

std::optional<Content> ReadContent(const Call& call, std::initializer_list<std::string_view> own_fields) {
  if (!call.from.has_value()) {
    call.FailBadSender();
    return std::nullopt;
  }
  const JsonObject& payload = call.request.payload;
  Content content{JsonString(payload.Find("type")).value_or(""), payload.Find("data")};
  if (content.type.empty()) {
    call.FailBadPayload("payload.type is missing or not a string.",
                        "Send payload.type, the application's own name for the message, and payload.data.");
    return std::nullopt;
  }
  if (Envelope::IsHubType(content.type)) {
    call.Fail({ErrorCode::kUnauthorized, "Types that begin with \"hub:\" are the hub's own.",
               "Choose another payload.type for messages between actors."});
    return std::nullopt;
  }
  if (content.data.empty()) {
    const bool holds_more = std::ranges::any_of(payload.members(), [&](const JsonMember& member) {
      return member.key != "type" && std::ranges::find(own_fields, member.key) == own_fields.end();
    });
    content.data = holds_more ? call.request.payload_json : "null";
  }
  return content;
}

Delivery::Delivery(const Call& call, const Content& content, std::string_view correlation_id,
                   JsonWriter metadata)
    : call_(call),
      content_(content),
      correlation_id_(correlation_id),
      metadata_(std::move(metadata)),
      flow_(call.context, call.memory.congestion) {}

void Delivery::Add(const ConnectionId& connection, const Address& recipient) {
  (recipient.canonical ? canonical_ : bare_).push_back({connection, EnvelopeHead(recipient.ToJson())});
  if (flow_.IsCongested(connection)) congested_.push_back({connection, recipient.bare});
}

void Delivery::Send() {
  SendTo(bare_, false);
  SendTo(canonical_, true);
  flow_.TellProducer(call_, congested_);
}

void Delivery::SendTo(const std::vector<Context::HeadedRecipient>& recipients, bool canonical) const {
  if (recipients.empty()) return;
  const std::string sender = Address{call_.from->bare, canonical}.ToJson();
  const std::string metadata = JsonWriter(metadata_)
                                   .Bool("forwarded", true)
                                   .Raw("via", Address{std::string(kHubAddress), canonical}.ToJson())
                                   .Finish();
  const std::string tail = NewEnvelopeTail({.type = content_.type,
                                            .from = sender,
                                            .payload = content_.data,
                                            .correlation_id = correlation_id_,
                                            .metadata = metadata,
                                            .ttl = call_.request.ttl_json},
                                           call_.context.now_ms());
  call_.context.SendEach(recipients, Message::Text(tail));
}

}  // namespace dormouse::signal
