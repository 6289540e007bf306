// Connection life cycle: connect, heartbeat, disconnect, token refresh.
#include <cctype>
#include <optional>
#include <string>

#include "common/auth/secrets.h"
#include "common/json/json_writer.h"
#include "statekeeper/classes/signal/delivery/flow_control.h"
#include "statekeeper/classes/signal/messages/authentication.h"
#include "statekeeper/classes/signal/messages/handlers.h"
#include "statekeeper/classes/signal/sessions/connected.h"
#include "statekeeper/classes/signal/sessions/resumption.h"
#include "statekeeper/classes/signal/sessions/session_end.h"

namespace dormouse::signal {
namespace {

constexpr int64_t kRefreshedForMs = 3'600'000;
// Of a version that is none, as much as helps its author.
constexpr size_t kShownOfVersion = 32;

// What hub:connect said of its version, as text; empty: nothing.
std::string RequestedVersion(const Envelope& request, bool* in_metadata) {
  JsonSlice version = request.payload.Find("version");
  *in_metadata = IsJsonNothing(version);
  if (*in_metadata) version = request.metadata.Find("protocolVersion");
  std::string text = IsJsonNumber(version) ? std::string(version) : JsonString(version).value_or("");
  if (text.size() > kShownOfVersion) text.resize(kShownOfVersion);
  return text;
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

// With authentication off, the token that a session has is that for resuming it.
void RefreshSessionToken(Call& call) {
  const std::string presented = JsonString(call.request.payload.Find("token")).value_or("");
  const std::string hash = Sha256(presented);
  Session& session = call.session;
  const bool current = HasToken(session, hash);
  // The same event again: one of its two answers is lost, and the token of either is good.
  const bool again = call.repeated && HasUsedToken(session, hash);
  if (!current && !again) {
    call.Fail(
        {ErrorCode::kInvalidToken,
         "Authentication is off, and this is not the token that this session has to resume with.",
         "Send payload.token as the resumeToken of hub:connected, or the token of hub:token_refreshed."});
    return;
  }
  AbsenceTable(call.sessions()).RemoveForward(session);
  const std::string token = again ? IssueAnotherToken(call.options, call.connection.id, &session)
                                  : IssueToken(call.options, call.connection.id, &session);
  session.set_used_token_hash(hash);
  session.clear_used_token_holder();
  SaveSession(call.context, call.connection.id, session);
  call.Answer(
      JsonWriter().String("token", token).Int("expiresAt", call.context.now_ms() + kRefreshedForMs).Finish());
}

// A field of hub:connect that may be in the payload or in the metadata; empty: it is in neither.
std::string StringIn(const Envelope& request, std::string_view field) {
  const JsonSlice in_payload = request.payload.Find(field);
  return JsonString(IsJsonNothing(in_payload) ? request.metadata.Find(field) : in_payload).value_or("");
}

// With call.session as a session of its own would be.
ConnectRequest RequestOf(const Call& call) {
  ConnectRequest request;
  request.set_connection(call.connection.id.ToBytes());
  *request.mutable_session() = call.session;
  request.set_id(std::string(call.request.id));
  request.set_from(std::string(call.request.from_json));
  request.set_actor_identity(ActorIdentity(call));
  request.set_hub(call.HubAsWritten());
  request.set_capabilities(CapabilitiesOf(call));
  const std::string last = StringIn(call.request, "lastMessageId");
  if (TimeOrderedIds::IsOne(last)) request.set_last_message_id(last);
  request.set_says_what_it_got(!call.request.payload.Find("lastMessageId").empty() ||
                               !call.request.metadata.Find("lastMessageId").empty());
  return request;
}

// Saying hub:connect again is no new session: the answer of the first may have been lost, or the event comes
// again and one of its two answers is lost. So all its tokens are good, until one is used.
void AnswerAgain(Call& call) {
  const std::string token = IssueAnotherToken(call.options, call.connection.id, &call.session);
  if (!token.empty()) SaveSession(call.context, call.connection.id, call.session);
  SendConnected(call.context, call.options, RequestOf(call), call.session, token);
}

}  // namespace

void OnHubConnect(Call& call) {
  bool in_metadata = false;
  const std::string version = RequestedVersion(call.request, &in_metadata);
  const std::optional<int> major = MajorVersion(version);
  // payload.version is where 1.0 and its like say theirs: a 0 there is 0.1 or nothing.
  const bool too_early = !in_metadata && major == 0 && version != "0.1" && !version.starts_with("0.1.");
  if ((major != 0 && major != 1) || too_early) {
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
    const auto capabilities = JsonElements(call.request.metadata.Find("capabilities"), 1);
    if (!capabilities.has_value() || capabilities->empty()) {
      call.Fail({ErrorCode::kUnauthorized, "metadata.capabilities is missing or empty.",
                 R"(Send metadata.capabilities as a non-empty array, such as ["send","receive"].)"});
      return;
    }
  }
  if (!Authenticate(call)) return;
  if (IsConnected(call.session)) {
    // A session that was handed over to it is told of that again without being asked.
    if (call.repeated && call.session.resumed() &&
        call.memory.resume.unconfirmed.contains(call.connection.id))
      return;
    AnswerAgain(call);
    return;
  }
  call.session.set_dialect(dialect);
  call.session.set_identity(ConnectingActor(call));
  call.session.set_canonical(call.from->canonical);
  const ConnectRequest request = RequestOf(call);
  const std::string token = StringIn(call.request, "resumeToken");
  if (!Resumption(call.sessions()).Resume(request, token)) {
    if (!token.empty() && call.memory.resume_metrics != nullptr) call.memory.resume_metrics->Unknown();
    BeginSession(call.context, call.options, request);
  }
}

// Answers as the edge does (edge_profile.cc), where it does.
void OnHubHeartbeat(Call& call) {
  JsonWriter payload;
  const JsonSlice timestamp = call.request.payload.Find("timestamp");
  if (!IsJsonNothing(timestamp)) payload.Raw("timestamp", timestamp);
  call.Answer(payload.Int("serverTime", call.context.now_ms()).Finish());
}

void OnHubDisconnect(Call& call) {
  FlowControl(call.context, call.memory.congestion).OnEnd(call.connection.id);
  SessionEnd(call.sessions()).End(call.connection.id, call.session);
  call.Answer(JsonWriter()
                  .Bool("acknowledged", true)
                  .String("sessionId", SessionName(call.connection.id, call.session))
                  .Bool("cleanedUp", true)
                  .Finish());
  call.context.Close(call.connection.id, kNormalClosure, "Client requested disconnect");
}

void OnHubRefreshToken(Call& call) {
  if (call.authority != nullptr) {
    RefreshToken(call);
  } else {
    RefreshSessionToken(call);
  }
}

}  // namespace dormouse::signal
