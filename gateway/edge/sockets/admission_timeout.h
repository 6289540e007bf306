// Admission: a class may want that its hub lets each socket in, within so long; who is not admitted by then
// is to be closed. On the loop's thread.
#pragma once

#include <string_view>

#include "gateway/edge/sockets/connection.h"
#include "gateway/edge/sockets/deadline.h"

namespace dormouse::edge {

// A fresh connection.
void StartAdmission(Connection* connection, int64_t now_ms);
// Its hub has let it in, in that role (empty: in none). Its timer finds out when it comes.
void Admit(Connection* connection, std::string_view role);
Deadline CheckAdmission(Connection* connection, int64_t now_ms);

}  // namespace dormouse::edge
