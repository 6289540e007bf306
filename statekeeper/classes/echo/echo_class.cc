#include "statekeeper/classes/echo/echo_class.h"

#include <string>
#include <string_view>
#include <utility>

#include "common/clock.h"
#include "common/json/json_reader.h"
#include "common/json/json_writer.h"
#include "common/log_limit.h"
#include "common/logging.h"
#include "statekeeper/hub/routes.h"

namespace dormouse {
namespace {

constexpr uint16_t kNormalClosure = 1000;

// As JavaScript sees it.
bool IsFalsy(JsonSlice value) {
  return IsJsonNothing(value) || value == "\"\"" || value == "false" ||
         (IsJsonNumber(value) && JsonNumber(value) == 0.0);
}

class EchoHub : public Hub {
 public:
  // `stale` outlives the hub.
  EchoHub(Duration heartbeat_interval, LogLimit* stale)
      : heartbeat_interval_ms_(heartbeat_interval.count()), stale_(stale) {}

  void OnConnect(Context& context, const Connection& connection, const link::OpenRequest&) override {
    const std::string id = connection.id.ToString();
    context.SetAttachment(connection.id, JsonWriter()
                                             .String("connectionId", id)
                                             .String("connectedAt", Iso8601(connection.connected_ms))
                                             .Finish());
    const std::string welcome = JsonWriter()
                                    .String("type", "welcome")
                                    .String("message", "Connected to hub " + std::string(context.hub_name()))
                                    .String("connectionId", id)
                                    .Int("heartbeatInterval", heartbeat_interval_ms_)
                                    .Finish();
    context.Send(connection.id, Message::Text(welcome));
  }

  void OnMessage(Context& context, const Connection& from, const Message& message) override {
    const std::string now = Iso8601(context.now_ms());
    const std::string id = from.id.ToString();
    const JsonObject object = IsValidJson(message.data) ? JsonObject(message.data) : JsonObject();
    const std::string type = JsonString(object.Find("type")).value_or("");
    JsonWriter reply;
    if (type == "heartbeat" || type == "ping") {
      reply.String("type", type == "ping" ? "pong" : "heartbeat_ack").String("timestamp", now);
    } else {
      reply.String("type", "echo");
      const JsonSlice said = object.Find("message");
      if (IsFalsy(said)) {
        reply.String("message", message.data);
      } else {
        reply.Raw("message", said);
      }
      reply.String("timestamp", now).Int("connections", static_cast<int64_t>(context.connection_count()));
    }
    context.Send(from.id, Message::Text(reply.String("connectionId", id).Finish()));
  }

  // What is called is what is answered.
  void OnRequest(Context& context, std::string_view payload) override { context.Reply(payload); }

  // Gateways find silent sockets; the demo's alarm did, and these are the lines that its users look for.
  void OnClose(Context& context, const Connection& connection, const CloseInfo& info) override {
    if (info.by_client || info.code != kNormalClosure) return;
    uint64_t left_out = 0;
    if (!stale_->Take(&left_out)) return;
    const std::string hub = "echo/" + std::string(context.hub_name());
    const LogAbout about({.hub = hub, .connection = connection.id});
    SPDLOG_INFO("Alarm triggered - checking for stale connections");
    SPDLOG_INFO("Closing stale connection via alarm: {}{}", connection.id.ToString(),
                left_out == 0 ? "" : " (and " + std::to_string(left_out) + " before it)");
  }

  void OnFailure(Context& context, const Connection& from, const Message&, Failure failure) override {
    std::string_view code = "internal_error";
    std::string_view what = "The hub failed to handle this message.";
    if (failure == Failure::kStore) {
      code = "timeout";
      what = "The hub's state is out of reach; send the message again.";
    } else if (failure == Failure::kPoison) {
      what = "This message was given up: the hub's process ended whenever it was handled.";
    } else if (failure == Failure::kOverAllowance) {
      code = "rate_limited";
      what = "This client's messages have cost the hub too much time of late; send less, or less often.";
    }
    const std::string error = JsonWriter()
                                  .String("type", "error")
                                  .String("code", code)
                                  .String("message", what)
                                  .String("timestamp", Iso8601(context.now_ms()))
                                  .String("connectionId", from.id.ToString())
                                  .Finish();
    context.Send(from.id, Message::Text(error));
  }

 private:
  const int64_t heartbeat_interval_ms_;
  LogLimit* const stale_;
};

void AddLiteral(link::Template* reply, const char* text) { reply->add_parts()->set_literal(text); }
void AddValue(link::Template* reply, link::Template::Value value) { reply->add_parts()->set_value(value); }

// `,"timestamp":...,"connectionId":...}`: how every reply of the edge ends.
void AddEnd(link::Template* reply) {
  AddLiteral(reply, ",\"timestamp\":\"");
  AddValue(reply, link::Template::NOW_ISO);
  AddLiteral(reply, "\",\"connectionId\":\"");
  AddValue(reply, link::Template::CONNECTION_ID);
  AddLiteral(reply, "\"}");
}

link::ClassProfile MakeProfile(const Options& options) {
  link::ClassProfile profile;
  profile.set_name("echo");
  AddRoute(&profile, "/websocket", "test-room");
  AddRoute(&profile, "/websocket/{name}", "");
  profile.set_binary_is_text(true);
  if (options.edge_heartbeats) {
    link::AutoResponse* heartbeat = profile.add_auto_responses();
    heartbeat->set_type("heartbeat");
    AddLiteral(heartbeat->mutable_reply(), R"({"type":"heartbeat_ack")");
    AddEnd(heartbeat->mutable_reply());
  }
  profile.set_idle_timeout_ms(options.SilenceLimit().count());
  profile.set_idle_check_ms(options.cleanup_interval.count());
  profile.set_idle_close_code(1000);
  profile.set_idle_close_reason("Connection timeout");
  profile.set_max_message_size(options.max_message_size);
  link::Template* too_large = profile.mutable_too_large_reply();
  AddLiteral(
      too_large,
      R"({"type":"error","code":"message_too_large","message":"The frame is larger than this hub takes.")"
      R"(,"actualSize":)");
  AddValue(too_large, link::Template::ACTUAL_SIZE);
  AddLiteral(too_large, ",\"maxSize\":");
  AddValue(too_large, link::Template::MAX_SIZE);
  AddEnd(too_large);
  profile.set_rate_limit(options.echo_rate_limit);
  profile.set_rate_burst(options.echo_rate_burst);
  link::Template* too_many = profile.mutable_rate_limited_reply();
  AddLiteral(too_many,
             R"({"type":"error","code":"rate_limited","message":"This socket sends too many messages.")"
             R"(,"retryAfter":)");
  AddValue(too_many, link::Template::RETRY_AFTER_S);
  AddLiteral(too_many, ",\"retryAfterMs\":");
  AddValue(too_many, link::Template::RETRY_AFTER_MS);
  AddLiteral(too_many, ",\"limit\":");
  AddValue(too_many, link::Template::RATE_LIMIT);
  AddEnd(too_many);
  profile.set_outbound_pause(options.outbound_pause);
  profile.set_outbound_resume(options.outbound_resume);
  profile.set_outbound_limit(options.outbound_limit);
  profile.set_outbound_pause_messages(options.outbound_pause_messages);
  profile.set_outbound_resume_messages(options.outbound_resume_messages);
  return profile;
}

class EchoClass : public HubClass {
 public:
  explicit EchoClass(const Options& options)
      : heartbeat_interval_(options.heartbeat_interval), profile_(MakeProfile(options)) {}
  const link::ClassProfile& profile() const override { return profile_; }
  std::unique_ptr<Hub> NewHub() const override {
    return std::make_unique<EchoHub>(heartbeat_interval_, &stale_);
  }

 private:
  const Duration heartbeat_interval_;
  mutable LogLimit stale_;  // lines about silent sockets: of all hubs
  const link::ClassProfile profile_;
};

}  // namespace

std::unique_ptr<HubClass> NewEchoClass(const Options& options) {
  return std::make_unique<EchoClass>(options);
}

}  // namespace dormouse
