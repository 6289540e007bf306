// The head of an HTTP/1 request: just what a door needs that answers GET and passes WebSocket upgrades on.
//
// Strict where leniency lets two readers of the same bytes see different requests (RFC 9112, 11.2): line
// ends, names, lengths, hosts. Pure functions; any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "common/http/http_fields.h"
#include "common/http/http_reply.h"

namespace dormouse {

// Views into the bytes that were parsed.
struct HttpRequest : HttpFields {
  std::string_view method;     // as written: GET is not get
  std::string_view authority;  // whom it asks: of the target where that names one, else Host; empty: HTTP/1.0
  std::string_view path;       // as written: still percent-encoded; "*": of OPTIONS alone
  std::string_view query;      // without the '?'
  int minor_version = 1;       // HTTP/1.x
  bool has_body = false;       // which is not among what was parsed

  bool WantsWebSocket() const {
    return HasToken("connection", "upgrade") && HasToken("upgrade", "websocket");
  }
};

// The size of the head: to its final empty line, or to a line end that no head can have, so that it need not
// be waited for; 0: not all there yet. `from`: bytes looked at before.
size_t FindHeadEnd(std::string_view bytes, size_t from);

// Parses a whole head, and empty lines before it. False: it is none that can be served; `*refusal` says why.
bool ParseHttpRequest(std::string_view head, HttpRequest* request, HttpReply* refusal);

}  // namespace dormouse
