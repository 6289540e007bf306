#include "gateway/edge/sockets/admission_timeout.h"

#include "gateway/edge/rules/edge_rules.h"

namespace dormouse::edge {

void StartAdmission(Connection* connection, int64_t now_ms) {
  const auto timeout_ms = static_cast<int64_t>(connection->hub_class->rules().admission_timeout_ms);
  if (timeout_ms != 0) connection->admission_deadline_ms = now_ms + timeout_ms;
}

void Admit(Connection* connection, std::string_view role) {
  connection->admission_deadline_ms = 0;
  connection->SetRole(role);
}

Deadline CheckAdmission(Connection* connection, int64_t now_ms) {
  if (connection->admission_deadline_ms == 0) return {};
  const auto timeout_ms = static_cast<int64_t>(connection->hub_class->rules().admission_timeout_ms);
  if (timeout_ms == 0) {  // any more
    connection->admission_deadline_ms = 0;
    return {};
  }
  if (now_ms >= connection->admission_deadline_ms) {
    // What the client said to be let in may be what is not read, on purpose.
    if (!connection->congested) return {.expired = true};
    connection->admission_deadline_ms = now_ms + timeout_ms;
  }
  return {.next_ms = connection->admission_deadline_ms};
}

}  // namespace dormouse::edge
