#include "statekeeper/classes/signal/protocol/envelope.h"

#include "common/ids.h"
#include "common/json/json_writer.h"

namespace dormouse::signal {
namespace {

// Of what the hub keeps of a frame, or repeats to others: a few times as much as an address can have.
constexpr size_t kMaxField = 4 << 10;

}  // namespace

std::string_view ParseEnvelope(std::string_view frame, Envelope* envelope) {
  if (!IsValidJson(frame)) return "The frame is not JSON.";
  const JsonObject fields(frame);
  for (const char* name : {"type", "from", "to", "id"}) {
    if (fields.Find(name).size() > kMaxField) {
      return "The frame's \"type\", \"from\", \"to\" or \"id\" has more than 4096 bytes.";
    }
  }
  const std::optional<std::string> type = JsonString(fields.Find("type"));
  if (!type.has_value() || type->empty()) return "The frame has no \"type\", or it is not a string.";
  const JsonSlice from = fields.Find("from");
  if (!IsJsonString(from)) return "The frame has no \"from\", or it is not a string.";

  envelope->type = *type;
  envelope->from_json = from;
  envelope->from = *JsonString(from);
  if (const JsonSlice to = fields.Find("to"); IsJsonString(to)) {
    envelope->to_json = to;
    envelope->to = JsonString(to);
  }
  const std::string pattern = JsonString(fields.Find("pattern")).value_or("");
  envelope->ask = pattern == "ask" || (pattern != "tell" && Envelope::IsHubType(envelope->type));
  envelope->timestamp_ms = JsonNumber(fields.Find("timestamp"));
  const JsonSlice ttl = fields.Find("ttl");
  envelope->ttl_ms = JsonNumber(ttl);
  if (envelope->ttl_ms.has_value()) envelope->ttl_json = ttl;
  if (const JsonSlice id = fields.Find("id"); !id.empty()) envelope->id = id;
  if (const JsonSlice payload = fields.Find("payload"); !payload.empty()) {
    envelope->payload_json = payload;
    envelope->payload = JsonObject(payload);
  }
  const JsonSlice metadata = fields.Find("metadata");
  envelope->metadata_size = metadata.size();
  envelope->metadata = JsonObject(metadata);
  return {};
}

std::string EnvelopeHead(std::string_view to_json) {
  std::string head = "{\"to\":";
  head.append(to_json);
  return head;
}

std::string EnvelopeTail(const Outgoing& outgoing) {
  std::string tail;
  tail.reserve(256 + outgoing.from.size() + outgoing.payload.size() + outgoing.metadata.size());
  tail.append(",\"id\":").append(outgoing.id);
  tail.append(",\"from\":").append(outgoing.from);
  tail.append(",\"type\":");
  AppendJsonString(outgoing.type, &tail);
  tail.append(",\"payload\":").append(outgoing.payload);
  tail.append(",\"pattern\":\"tell\",\"correlationId\":").append(outgoing.correlation_id);
  tail.append(",\"timestamp\":").append(outgoing.timestamp);
  tail.append(",\"metadata\":").append(outgoing.metadata);
  tail.append(",\"ttl\":").append(outgoing.ttl);
  tail.append(",\"signature\":null}");
  return tail;
}

std::string NewEnvelopeTail(Outgoing outgoing, int64_t now_ms) {
  const std::string id = "\"" + NewUuid() + "\"";
  const std::string timestamp = std::to_string(now_ms);
  outgoing.id = id;
  outgoing.timestamp = timestamp;
  return EnvelopeTail(outgoing);
}

}  // namespace dormouse::signal
