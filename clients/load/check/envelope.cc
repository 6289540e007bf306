#include "clients/load/check/envelope.h"

#include <charconv>

#include "common/json/json_writer.h"

namespace dormouse::load::check {
namespace {

constexpr std::string_view kAddresses = "load/";
constexpr std::string_view kHub = "cloudflare/signal-hub";
constexpr std::string_view kMessageType = "load";

template <typename Number>
Number NumberIn(std::string_view text, Number otherwise) {
  Number number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size() ? number : otherwise;
}

std::string_view TypeOf(Kind kind) {
  switch (kind) {
    case Kind::kConnect:
      return "hub:connect";
    case Kind::kRegister:
      return "hub:register";
    case Kind::kRenew:
      return "hub:renew";
    case Kind::kSubscribe:
      return "hub:subscribe";
    case Kind::kUnsubscribe:
      return "hub:unsubscribe";
    case Kind::kSend:
    case Kind::kTell:
      return "hub:send";
    case Kind::kPublish:
      return "hub:publish";
    case Kind::kBroadcast:
      return "hub:broadcast";
    case Kind::kList:
      return "hub:list_actors";
    case Kind::kDiscover:
      return "hub:discover";
    case Kind::kHeartbeat:
      return "hub:heartbeat";
  }
  return {};
}

void ReadError(Reply* reply) {
  const std::string code = JsonString(reply->payload.Find("code")).value_or("");
  const bool later = code == "rate_limited" || code == "timeout";
  reply->outcome = later ? Outcome::kRetryable : Outcome::kRefused;
  reply->error = code + ": " + JsonString(reply->payload.Find("message")).value_or("");
}

}  // namespace

std::string AddressOf(ClientId client) { return std::string(kAddresses) + std::to_string(client); }

ClientId ClientAt(std::string_view address) {
  if (!address.starts_with(kAddresses)) return kNobody;
  return NumberIn<ClientId>(address.substr(kAddresses.size()), kNobody);
}

std::string TopicName(uint32_t topic) { return "topics/" + std::to_string(topic); }

std::string Request(OperationId operation, ClientId from, Kind kind, std::string_view payload) {
  return JsonWriter()
      .String("id", std::to_string(operation))
      .String("from", AddressOf(from))
      .String("to", kHub)
      .String("type", TypeOf(kind))
      .String("pattern", kind == Kind::kTell ? "tell" : "ask")
      .Raw("payload", payload)
      .Finish();
}

std::string MessagePayload(OperationId operation, std::string_view where, const std::string& whom) {
  JsonWriter payload;
  payload.Raw(where, whom).String("type", kMessageType);
  return payload.Int("data", static_cast<int64_t>(operation)).Finish();
}

std::optional<Reply> ReadReply(std::string_view text) {
  if (!IsValidJson(text)) return std::nullopt;
  const JsonObject frame(text);
  const std::optional<std::string> type = JsonString(frame.Find("type"));
  if (!type.has_value()) return std::nullopt;
  Reply reply;
  reply.id = JsonString(frame.Find("id")).value_or("");
  reply.addressed = ClientAt(JsonString(frame.Find("to")).value_or(""));
  reply.is_message = *type == kMessageType;
  if (reply.is_message) {
    reply.operation = NumberIn<OperationId>(frame.Find("payload"), 0);
    return reply;
  }
  const std::optional<std::string> asked = JsonString(frame.Find("correlationId"));
  reply.is_answer = asked.has_value() || *type == "hub:error";
  reply.operation = NumberIn<OperationId>(asked.value_or(""), 0);
  reply.payload = JsonObject(frame.Find("payload"));
  if (*type == "hub:error") ReadError(&reply);
  if (*type == "hub:unknown_actor") reply.outcome = Outcome::kUnknownActor;
  return reply;
}

}  // namespace dormouse::load::check
