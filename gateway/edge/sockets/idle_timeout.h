// The idle timeout: a socket that has been silent for longer than its class allows is to be closed, and so is
// one whose message has been coming for that long.
//
// Nothing is done for a connection when it is heard but to note the time. It is looked at once per idle
// timeout; where it was heard since, once more per idle check. So a silent socket is closed after the idle
// timeout, and before an idle check more. On the loop's thread.
#pragma once

#include "gateway/edge/sockets/connection.h"
#include "gateway/edge/sockets/deadline.h"

namespace dormouse::edge {

// Looks at the socket itself where the timeout has passed: bytes of an unfinished message count as heard.
Deadline CheckIdleTimeout(Connection* connection, int64_t now_ms);

}  // namespace dormouse::edge
