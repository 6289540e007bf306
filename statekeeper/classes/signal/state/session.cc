#include "statekeeper/classes/signal/state/session.h"

namespace dormouse::signal {

Session LoadSession(const Connection& connection) {
  Session session;
  session.ParseFromString(connection.attachment);
  return session;
}

void SaveSession(Context& context, const ConnectionId& connection, const Session& session) {
  context.SetAttachment(connection, session.SerializeAsString());
}

std::string SessionName(const ConnectionId& connection, const Session& session) {
  return IsConnected(session) ? session.session_id() : connection.ToString();
}

Address SessionAddress(const Session& session) {
  if (session.identity().empty()) return {std::string(kUnknownAddress), false};
  return {session.identity(), session.canonical()};
}

}  // namespace dormouse::signal
