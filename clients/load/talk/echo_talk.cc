#include "clients/load/talk/echo_talk.h"

#include <algorithm>

#include "common/json/json_reader.h"

namespace dormouse::load {
namespace {

constexpr std::string_view kRequest = R"({"type":"message","message":")";
constexpr std::string_view kReply = R"({"type":"echo","message":")";
constexpr std::string_view kBeat = R"({"type":"heartbeat"})";
constexpr std::string_view kAcknowledged = R"({"type":"heartbeat_ack")";
constexpr std::string_view kId = R"("connectionId":")";
constexpr std::string_view kEnd = "\"}";

}  // namespace

EchoTalk::EchoTalk(Voice* voice, uint32_t first, uint32_t count, size_t size)
    : voice_(voice),
      first_(first),
      said_(size - std::min(size, kRequest.size() + kEnd.size())),
      request_(kRequest),
      ids_(count) {}

Heard EchoTalk::Begin(uint32_t connection) {
  ids_[connection] = {};
  return {};
}

void EchoTalk::Ask(uint32_t connection, uint32_t number) {
  request_.resize(kRequest.size());
  request_.append(said_.Of(first_ + connection, number)).append(kEnd);
  voice_->Say(connection, request_);
}

void EchoTalk::Beat(uint32_t connection) { voice_->Say(connection, kBeat); }

bool EchoTalk::EndsAsItShould(uint32_t connection, std::string_view text) const {
  const Id& id = ids_[connection];
  const size_t tail = kId.size() + id.size() + kEnd.size();
  if (text.size() < tail || !text.ends_with(kEnd)) return false;
  text.remove_prefix(text.size() - tail);
  return text.starts_with(kId) &&
         text.substr(kId.size(), id.size()) == std::string_view(id.data(), id.size());
}

// As our own gateways write it; what others write differently is read in full.
Heard EchoTalk::OnFrame(uint32_t connection, std::string_view text) {
  if (text.starts_with(kReply) && text.size() > kReply.size() + said_.size() &&
      text[kReply.size() + said_.size()] == '"' && EndsAsItShould(connection, text)) {
    const auto number = said_.NumberIn(text.substr(kReply.size(), said_.size()), first_ + connection);
    if (number.has_value()) return {.what = Heard::What::kReply, .number = *number};
  }
  if (text.starts_with(kAcknowledged) && EndsAsItShould(connection, text))
    return {.what = Heard::What::kBeat};
  return OnOther(connection, text);
}

Heard EchoTalk::OnOther(uint32_t connection, std::string_view text) {
  const auto wrong = [&](const char* why) {
    return Trouble(Heard::What::kWrong, std::string(why) + ": " + Shortened(text));
  };
  if (!IsValidJson(text)) return wrong("it is no JSON");
  const JsonObject frame(text);
  const std::string type = JsonString(frame.Find("type")).value_or("");
  const std::string said_id = JsonString(frame.Find("connectionId")).value_or("");
  Id& id = ids_[connection];
  if (type == "error") return Trouble(Heard::What::kRefused, Shortened(text));
  if (type == "welcome") {
    if (id[0] != 0) return wrong("a second welcome");
    if (said_id.size() != id.size()) return wrong("a welcome without a connectionId of 36 letters");
    std::ranges::copy(said_id, id.begin());
    return {.what = Heard::What::kReady};
  }
  if (said_id != std::string_view(id.data(), id.size()))
    return wrong("the connectionId is not that of the welcome");
  if (type == "heartbeat_ack") return {.what = Heard::What::kBeat};
  if (type != "echo") return wrong("nobody asked for it");
  const auto number = said_.NumberIn(JsonString(frame.Find("message")).value_or(""), first_ + connection);
  if (!number.has_value()) return wrong("not what this connection said");
  return {.what = Heard::What::kReply, .number = *number};
}

}  // namespace dormouse::load
