#include "statekeeper/classes/signal/messages/delivery.h"

#include <xxhash.h>

#include <algorithm>
#include <utility>

#include "statekeeper/classes/signal/delivery/mailbox.h"

namespace dormouse::signal {

namespace {

constexpr size_t kMaxType = 4 << 10;

}  // namespace

std::optional<Content> ReadContent(const Call& call, std::initializer_list<std::string_view> own_fields) {
  if (!call.from.has_value()) {
    call.FailBadSender();
    return std::nullopt;
  }
  const JsonObject& payload = call.request.payload;
  Content content{JsonString(payload.Find("type")).value_or(""), payload.Find("data")};
  if (content.type.empty() || content.type.size() > kMaxType) {
    call.FailBadPayload("payload.type is missing, not a string, or has more than 4096 bytes.",
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
      return !member.IsCalled("type") &&
             std::ranges::none_of(own_fields, [&](auto field) { return member.IsCalled(field); });
    });
    content.data = holds_more ? call.request.payload_json : "null";
  }
  return content;
}

namespace {

// An envelope without what its sender says, with what the runtime needs for a recipient.
constexpr uint64_t kEnvelope = 1024;
// A kept message's rows, beside it.
constexpr uint64_t kMailOverhead = 512;

// Says of a message which event it came from, the same if that comes again.
uint64_t OriginOf(const Call& call) {
  const uint64_t sender = std::hash<ConnectionId>()(call.connection.id);
  uint64_t hash = XXH3_64bits_withSeed(call.request.payload_json.data(), call.request.payload_json.size(),
                                       sender ^ static_cast<uint64_t>(call.arrived_ms));
  return XXH3_64bits_withSeed(call.request.id.data(), call.request.id.size(), hash);
}

// One generator for all hubs of a thread: a hub that is rebuilt within the millisecond goes on behind itself.
TimeOrderedIds& MessageIds() {
  thread_local TimeOrderedIds ids;
  return ids;
}

}  // namespace

Delivery::Delivery(const Call& call, const Content& content, std::string_view correlation_id,
                   JsonWriter metadata)
    : call_(call),
      content_(content),
      correlation_id_(correlation_id),
      metadata_(std::move(metadata)),
      flow_(call.context, call.memory.congestion) {}

void Delivery::Add(const ConnectionId& connection, const Address& recipient) {
  if (call_.memory.absent.HasEnded(connection)) return;
  Recipients& recipients = recipient.canonical ? canonical_ : bare_;
  std::string head = EnvelopeHead(recipient.ToJson());
  if (const ConnectionId* holder = call_.memory.absent.HolderOf(connection)) {
    recipients.absent.push_back({*holder, std::move(head)});
  } else {
    recipients.open.push_back({connection, std::move(head)});
    if (flow_.IsCongested(connection)) congested_.push_back({connection, recipient.bare});
  }
}

uint64_t Delivery::OutputBytes(const Recipients& recipients) const {
  uint64_t bytes = 0;
  for (const auto& recipient : recipients.open) bytes += recipient.head.size();
  const uint64_t shared = content_.type.size() + content_.data.size() + correlation_id_.size() +
                          call_.request.metadata_size + call_.request.ttl_json.size() + kEnvelope;
  return bytes + recipients.open.size() * shared;
}

bool Delivery::MayBeSent() const {
  const uint64_t limit = call_.options.max_output;
  const uint64_t bytes = OutputBytes(bare_) + OutputBytes(canonical_);
  if (limit == 0 || bytes <= limit) return true;
  const auto recipients = static_cast<int64_t>(bare_.open.size() + canonical_.open.size());
  call_.Fail({ErrorCode::kBroadcastLimitExceeded,
              "This message to " + std::to_string(recipients) +
                  " recipients is more than one message may make this " + "hub send; nobody gets it.",
              "Send less data or to fewer recipients: details.limit is for the sum over all of them.",
              JsonWriter()
                  .Int("recipients", recipients)
                  .Int("size", static_cast<int64_t>(bytes))
                  .Int("limit", static_cast<int64_t>(limit))
                  .String("code", "OUTPUT_LIMIT")
                  .Finish()});
  return false;
}

Delivery::Outcome Delivery::Send() {
  const uint64_t may_change = call_.options.max_changes == 0 ? UINT64_MAX : call_.options.max_changes;
  room_for_mail_ = std::min(may_change, call_.context.state_room()) / 2;
  Outcome outcome;
  SendTo(std::move(bare_), false, &outcome);
  SendTo(std::move(canonical_), true, &outcome);
  call_.memory.messages_out += outcome.delivered;
  if (!congested_.empty()) {
    flow_.TellProducer({call_.connection.id, *call_.from, call_.arrived_ms, call_.repeated}, congested_);
  }
  return outcome;
}

// What was sent before and is sent again belongs where it was: before what its sender sent since.
std::string Delivery::NewId() const {
  const uint64_t origin = OriginOf(call_);
  if (!call_.repeated) return MessageIds().Next(call_.context.now_ms(), origin);
  RepetitionMemory::LateIds& late = call_.memory.repetition.late_ids[call_.connection.id];
  late = {call_.arrived_ms, late.arrived_ms == call_.arrived_ms ? late.count + 1 : 0};
  return TimeOrderedIds::Late(late.arrived_ms, late.count, origin);
}

void Delivery::SendTo(Recipients recipients, bool canonical, Outcome* outcome) {
  if (recipients.size() == 0) return;
  const std::string sender = Address{call_.from->bare, canonical}.ToJson();
  const std::string metadata = JsonWriter(metadata_)
                                   .Bool("forwarded", true)
                                   .Raw("via", Address{std::string(kHubAddress), canonical}.ToJson())
                                   .Finish();
  const int64_t now_ms = call_.context.now_ms();
  const std::string id = NewId();
  const std::string id_json = JsonQuoted(id);
  const std::string timestamp = std::to_string(now_ms);
  std::string tail = EnvelopeTail({.type = content_.type,
                                   .from = sender,
                                   .payload = content_.data,
                                   .correlation_id = correlation_id_,
                                   .metadata = metadata,
                                   .ttl = call_.request.ttl_json,
                                   .id = id_json,
                                   .timestamp = timestamp});
  for (const auto& recipient : recipients.absent) {
    ++(Keep(recipient, id, tail) ? outcome->queued : outcome->failed);
  }
  outcome->delivered += recipients.open.size();
  if (recipients.open.empty()) return;
  if (call_.options.resume_window.count() == 0) {
    call_.context.SendEach(recipients.open, Message::Text(tail));
  } else {
    call_.context.SendEach(recipients.open, Message::ReturnableText(tail));
    call_.memory.sent_log.Record(now_ms, id, std::move(recipients.open), std::move(tail));
  }
}

bool Delivery::Keep(const Context::HeadedRecipient& recipient, const std::string& id,
                    const std::string& tail) {
  Mailbox mailbox(call_.context, call_.options, recipient.to);
  const std::string key = MessageKey(id, recipient.head);
  if (call_.repeated) {
    // Messages that are alike are told apart by their number: each accounts for one repetition.
    auto& found_again = call_.memory.repetition.found_again;
    const std::string before =
        mailbox.FindLike(key, [&](const std::string& other) { return found_again.contains(other); });
    if (!before.empty()) {
      found_again.insert(before);
      return true;
    }
    // It may be on its way back from a socket, too.
    call_.memory.repetition.kept_again.emplace(TimeOrderedIds::TailOf(key));
  }
  const uint64_t size = recipient.head.size() + tail.size() + kMailOverhead;
  if (size > room_for_mail_) {
    mailbox.Miss();
    return false;
  }
  room_for_mail_ -= size;
  return mailbox.Put(key, recipient.head + tail);
}

}  // namespace dormouse::signal
