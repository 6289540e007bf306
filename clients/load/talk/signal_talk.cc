#include "clients/load/talk/signal_talk.h"

#include <charconv>

#include "common/json/json_reader.h"
#include "common/json/json_writer.h"

namespace dormouse::load {
namespace {

constexpr std::string_view kHub = "cloudflare/signal-hub";
constexpr std::string_view kType = "load";

template <typename Number>
std::optional<Number> NumberIn(std::string_view text) {
  Number number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

}  // namespace

// The text of a frame, and its members, where it has them.
class JsonFrame : public JsonObject {
 public:
  using JsonObject::JsonObject;
  std::string Text(std::string_view key) const { return JsonString(Find(key)).value_or(""); }
};

SignalTalk::SignalTalk(Voice* voice, Options options)
    : voice_(voice), options_(std::move(options)), text_(options_.size), sessions_(options_.count) {}

std::string SignalTalk::ActorOf(uint32_t connection) const {
  return options_.actors + std::to_string(connection);
}

std::optional<uint32_t> SignalTalk::ConnectionOf(std::string_view actor) const {
  if (!actor.starts_with(options_.actors)) return std::nullopt;
  return NumberIn<uint32_t>(actor.substr(options_.actors.size()));
}

void SignalTalk::Put(uint32_t connection, std::string_view id, std::string_view type, bool ask,
                     std::string_view payload) {
  frame_.assign(R"({"id":")").append(id).append(R"(","from":")").append(options_.actors);
  frame_.append(std::to_string(options_.first + connection)).append(R"(","to":")").append(kHub);
  frame_.append(R"(","type":")").append(type).append(R"(","pattern":")").append(ask ? "ask" : "tell");
  frame_.append(R"(","payload":)").append(payload).append("}");
  voice_->Say(connection, frame_);
}

Heard SignalTalk::Begin(uint32_t connection) { return GoOn(connection, Stage::kConnecting); }

Heard SignalTalk::GoOn(uint32_t connection, Stage stage) {
  Session& session = sessions_[connection];
  const uint32_t actor = options_.first + connection;
  if (stage == Stage::kSubscribing && (options_.topic.empty() || actor == options_.publisher)) {
    stage = Stage::kReady;
  }
  session.stage = stage;
  switch (stage) {
    case Stage::kConnecting: {
      JsonWriter payload;
      payload.String("version", "1.0");
      const auto& tokens = *options_.tokens;
      if (!tokens.empty()) payload.String("jwt", tokens[actor % tokens.size()]);
      if (!session.resume_token.empty()) {
        payload.String("resumeToken", session.resume_token).String("lastMessageId", "");
      }
      Put(connection, "c", "hub:connect", true, payload.Finish());
      return {};
    }
    case Stage::kRegistering:
      Put(connection, "r", "hub:register", true,
          JsonWriter()
              .String("actorAddress", ActorOf(actor))
              .Raw("capabilities", R"(["load"])")
              .Int("ttlSeconds", 3600)
              .Finish());
      return {};
    case Stage::kSubscribing:
      Put(connection, "s", "hub:subscribe", true, JsonWriter().String("topic", options_.topic).Finish());
      return {};
    case Stage::kReady:
      return {.what = Heard::What::kReady};
  }
  return {};
}

std::string SignalTalk::Data(uint32_t number, Nanos now) {
  return R"({"t":)" + std::to_string(now) + R"(,"text":")" + text_.Of(0, number) + "\"}";
}

void SignalTalk::Send(uint32_t connection, uint32_t target, uint32_t number, Nanos now, bool ask) {
  Put(connection, "q" + std::to_string(number), "hub:send", ask,
      R"({"to":")" + ActorOf(target) + R"(","type":"load","data":)" + Data(number, now) + "}");
}

void SignalTalk::Ask(uint32_t connection, uint32_t number) {
  Send(connection, options_.first + connection, number, Now(), false);
}

void SignalTalk::Publish(uint32_t connection, uint32_t number, Nanos now) {
  Put(connection, "q" + std::to_string(number), "hub:publish", true,
      R"({"topic":")" + options_.topic + R"(","type":"load","data":)" + Data(number, now) + "}");
}

void SignalTalk::Beat(uint32_t connection) { Put(connection, "b", "hub:heartbeat", true, "{}"); }

Heard SignalTalk::OnFrame(uint32_t connection, std::string_view text) {
  if (!IsValidJson(text)) return Trouble(Heard::What::kWrong, "it is no JSON: " + Shortened(text));
  const JsonFrame frame(text);
  const std::string type = frame.Text("type");
  if (type == kType) return OnMessage(connection, frame, text);
  if (type == "hub:pause" || type == "hub:resume" || type == "hub:presence") return {};
  return OnAnswer(connection, type, frame, text);
}

Heard SignalTalk::OnMessage(uint32_t connection, const JsonFrame& frame, std::string_view text) {
  const auto wrong = [&](const char* why) {
    return Trouble(Heard::What::kWrong, std::string(why) + ": " + Shortened(text));
  };
  const uint32_t self = options_.first + connection;
  if (ConnectionOf(frame.Text("to")) != self) return wrong("a message for somebody else");
  const std::optional<uint32_t> sender = ConnectionOf(frame.Text("from"));
  if (!sender.has_value()) return wrong("a message of nobody");
  const JsonSlice payload = frame.Find("payload");
  const JsonObject data(payload);
  const std::optional<Nanos> sent_at = NumberIn<Nanos>(data.Find("t"));
  const std::optional<uint32_t> number = text_.NumberIn(JsonString(data.Find("text")).value_or(""), 0);
  if (!sent_at.has_value() || !number.has_value() || payload != Data(*number, *sent_at)) {
    return wrong("a message that nobody sent");
  }
  if (*sender == self) return {.what = Heard::What::kReply, .number = *number};
  const JsonObject metadata(frame.Find("metadata"));
  message_ = {.number = *number, .sent_at = *sent_at, .published = metadata.Find("publication") == "true"};
  return {.what = Heard::What::kMessage, .number = *sender};
}

Heard SignalTalk::OnAnswer(uint32_t connection, const std::string& type, const JsonFrame& frame,
                           std::string_view text) {
  Session& session = sessions_[connection];
  const std::string id = frame.Text("correlationId");
  const bool ready = session.stage == Stage::kReady;
  if (type == "hub:error") {
    const JsonFrame payload(frame.Find("payload"));
    const std::string code = payload.Text("code");
    const bool later = code == "timeout" || code == "rate_limited" || code == "internal_error";
    return Trouble(!ready && later ? Heard::What::kNotYet : Heard::What::kRefused,
                   code + " " + payload.Text("message"));
  }
  if (type == "hub:heartbeat_ack" && id == "b") return {.what = Heard::What::kBeat};
  if (type == "hub:delivery_ack" && id.starts_with('q')) {
    const std::optional<uint32_t> number = NumberIn<uint32_t>(std::string_view(id).substr(1));
    if (number.has_value()) return {.what = Heard::What::kReceipt, .number = *number};
  }
  if (type == "hub:connected" && id == "c" && session.stage == Stage::kConnecting) {
    const JsonFrame payload(frame.Find("payload"));
    if (options_.resume) session.resume_token = payload.Text("resumeToken");
    if (payload.Find("resumed") != "true") return GoOn(connection, Stage::kRegistering);
    session.stage = Stage::kReady;
    return {.what = Heard::What::kReady, .number = 1};
  }
  if (type == "hub:registered" && id == "r" && session.stage == Stage::kRegistering) {
    return GoOn(connection, Stage::kSubscribing);
  }
  if (type == "hub:subscribed" && id == "s" && session.stage == Stage::kSubscribing) {
    return GoOn(connection, Stage::kReady);
  }
  return Trouble(Heard::What::kWrong, "nobody asked for it: " + Shortened(text));
}

}  // namespace dormouse::load
