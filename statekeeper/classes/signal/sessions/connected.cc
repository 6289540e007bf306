#include "statekeeper/classes/signal/sessions/connected.h"

#include <algorithm>
#include <string>

#include "common/auth/secrets.h"
#include "common/json/json_writer.h"
#include "statekeeper/classes/signal/protocol/envelope.h"
#include "statekeeper/classes/signal/sessions/resume_token.h"
#include "statekeeper/classes/signal/state/session.h"

namespace dormouse::signal {
namespace {

// One for each process that ends before its answer is known to have arrived.
constexpr int kOtherTokens = 7;

}  // namespace

std::string IssueToken(const Options& options, const ConnectionId& connection, Session* session) {
  if (options.resume_window.count() == 0) return {};
  session->clear_token_hash();
  session->clear_other_token_hash();
  return IssueAnotherToken(options, connection, session);
}

std::string IssueAnotherToken(const Options& options, const ConnectionId& connection, Session* session) {
  if (options.resume_window.count() == 0) return {};
  ResumeToken token = ResumeToken::New(connection);
  auto& others = *session->mutable_other_token_hash();
  if (!session->token_hash().empty()) others.Add(std::string(session->token_hash()));
  if (others.size() > kOtherTokens) others.erase(others.begin());
  session->set_token_hash(token.hash);
  return std::move(token.text);
}

bool HasToken(const Session& session, const std::string& hash) {
  const auto is_it = [&hash](const std::string& good) { return !good.empty() && SameSecret(hash, good); };
  return is_it(session.token_hash()) || std::ranges::any_of(session.other_token_hash(), is_it);
}

bool HasUsedToken(const Session& session, const std::string& hash) {
  return !session.used_token_hash().empty() && SameSecret(hash, session.used_token_hash());
}

void BeginSession(Context& context, const Options& options, const ConnectRequest& request) {
  const ConnectionId connection = *ConnectionId::FromBytes(request.connection());
  Session session = request.session();
  session.set_session_id(NewUuid());
  session.set_says_what_it_got(request.says_what_it_got());
  session.set_last_message_id(request.last_message_id());
  const std::string token = IssueToken(options, connection, &session);
  SaveSession(context, connection, session);
  SendConnected(context, options, request, session, token);
}

void SendConnected(Context& context, const Options& options, const ConnectRequest& request,
                   const Session& session, const std::string& token) {
  JsonWriter payload;
  payload.String("sessionId", session.session_id())
      .String("serverVersion", DORMOUSE_VERSION)
      .Int("serverTime", context.now_ms())
      .Raw("actorIdentity", request.actor_identity())
      .Int("maxMessageSize", static_cast<int64_t>(options.max_message_size))
      .Int("heartbeatInterval", options.signal_heartbeat_interval.count())
      .Raw("resumeToken", token.empty() ? "null" : JsonQuoted(token))
      .Bool("resumed", session.resumed());
  if (session.resumed()) payload.Int("missed", static_cast<int64_t>(session.missed()));
  const std::string text = payload.Raw("capabilities", request.capabilities()).Finish();
  const std::string metadata = JsonWriter().Raw("actorIdentity", request.actor_identity()).Finish();
  const std::string frame = EnvelopeHead(request.from()) + NewEnvelopeTail({.type = kConnectedType,
                                                                            .from = request.hub(),
                                                                            .payload = text,
                                                                            .correlation_id = request.id(),
                                                                            .metadata = metadata},
                                                                           context.now_ms());
  context.Send(*ConnectionId::FromBytes(request.connection()), Message::Text(frame));
}

}  // namespace dormouse::signal
