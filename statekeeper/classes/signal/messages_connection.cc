// Connection life cycle: connect, heartbeat, disconnect, token refresh.
#include <cctype>
#include <optional>
#include <string>

#include "statekeeper/classes/json/json_writer.h"
#include "statekeeper/classes/signal/authentication.h"
#include "statekeeper/classes/signal/messages.h"

namespace dormouse::signal {
namespace {

// What hub:connect said of its version, as text; empty: nothing.
std::string RequestedVersion(const Envelope& request, bool* in_metadata) {
  JsonSlice version = request.payload.Find("version");
  *in_metadata = IsJsonNothing(version);
  if (*in_metadata) version = request.metadata.Find("protocolVersion");
  if (IsJsonNumber(version)) return std::string(version);
  return JsonString(version).value_or("");
}

// "1.0" -> 1
std::optional<int> MajorVersion(const std::string& version) {
  if (version.empty() || std::isdigit(static_cast<unsigned char>(version[0])) == 0) return std::nullopt;
  if (version.size() > 1 && version[1] != '.') return std::nullopt;
  return version[0] - '0';
}

std::string CapabilitiesOf(const Call& call) {
  if (!call.legacy()) return GrantedCapabilities(call);
  return JsonWriter()
      .Int("maxActorsPerInstance", call.options.max_actors)
      .Bool("supportsBackpressure", true)
      .Raw("supportedContentTypes", R"(["application/json"])")
      .Finish();
}

// With authentication off.
void RefreshSessionToken(Call& call) {
  call.Fail({ErrorCode::kInvalidToken, "Authentication is off: this hub has issued no token to this session.",
             "Go on without a token; nothing needs one here."});
}

}  // namespace

void OnHubConnect(Call& call) {
  bool in_metadata = false;
  const std::string version = RequestedVersion(call.request, &in_metadata);
  const std::optional<int> major = MajorVersion(version);
  if (major != 0 && major != 1) {
    call.Fail({ErrorCode::kVersionMismatch,
               version.empty() ? "hub:connect names no protocol version."
                               : "This hub speaks protocol versions 0.1 and 1.0, not \"" + version + "\".",
               "",
               JsonWriter()
                   .String("expected", in_metadata && !version.empty() ? "0.1.0" : "1.0")
                   .Raw("received", version.empty() ? "null" : JsonQuoted(version))
                   .Finish()});
    return;
  }
  if (!call.from.has_value()) {
    call.FailBadSender();
    return;
  }
  const Dialect dialect = major == 0 ? DIALECT_0_1 : DIALECT_1_0;
  if (dialect == DIALECT_0_1) {
    const auto capabilities = JsonElements(call.request.metadata.Find("capabilities"));
    if (!capabilities.has_value() || capabilities->empty()) {
      call.Fail({ErrorCode::kUnauthorized, "metadata.capabilities is missing or empty.",
                 R"(Send metadata.capabilities as a non-empty array, such as ["send","receive"].)"});
      return;
    }
  }
  if (!Authenticate(call)) return;
  // Saying it again is no new session: the answer of the first may have been lost.
  if (!IsConnected(call.session)) {
    call.session.set_session_id(NewUuid());
    call.session.set_dialect(dialect);
    call.session.set_identity(ConnectingActor(call));
    call.session.set_canonical(call.from->canonical);
    SaveSession(call.context, call.connection.id, call.session);
  }
  const std::string identity = ActorIdentity(call);
  call.Reply("hub:connected",
             JsonWriter()
                 .String("sessionId", call.session.session_id())
                 .String("serverVersion", DORMOUSE_VERSION)
                 .Int("serverTime", call.context.now_ms())
                 .Raw("actorIdentity", identity)
                 .Int("maxMessageSize", static_cast<int64_t>(call.options.max_message_size))
                 .Int("heartbeatInterval", call.options.signal_heartbeat_interval.count())
                 .Raw("resumeToken", "null")
                 .Bool("resumed", false)
                 .Raw("capabilities", CapabilitiesOf(call))
                 .Finish(),
             JsonWriter().Raw("actorIdentity", identity).Finish());
}

// Answers as the edge does (edge_profile.cc), where it does.
void OnHubHeartbeat(Call& call) {
  JsonWriter payload;
  const JsonSlice timestamp = call.request.payload.Find("timestamp");
  if (!IsJsonNothing(timestamp)) payload.Raw("timestamp", timestamp);
  call.Reply("hub:heartbeat_ack", payload.Int("serverTime", call.context.now_ms()).Finish());
}

void OnHubDisconnect(Call& call) {
  if (call.session.has_rows()) RemoveSessionRows(call.context, call.connection.id);
  FlowControl(call.context, call.memory.congestion).OnEnd(call.connection.id);
  call.Reply(call.legacy() ? "hub:disconnect" : "hub:disconnect_ack",
             JsonWriter()
                 .Bool("acknowledged", true)
                 .String("sessionId", SessionName(call.connection.id, call.session))
                 .Bool("cleanedUp", true)
                 .Finish());
  call.context.Close(call.connection.id, 1000, "Client requested disconnect");
}

void OnHubRefreshToken(Call& call) {
  if (call.authority != nullptr) {
    RefreshToken(call);
  } else {
    RefreshSessionToken(call);
  }
}

}  // namespace dormouse::signal
