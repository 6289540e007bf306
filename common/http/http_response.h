// The head of an HTTP/1 response, as a worker of ours answers. As strict as http_request.h. Pure functions;
// any thread.
#pragma once

#include <string_view>

#include "common/http/http_fields.h"

namespace dormouse {

// Views into the bytes that were parsed.
struct HttpResponse : HttpFields {
  int minor_version = 1;  // HTTP/1.x
  int status = 0;         // 100-999
  std::string_view reason;

  // Another one follows it (RFC 9110, 15.2); 101 is none of them.
  bool IsInterim() const { return status < 200 && status != 101; }
};

// Parses a whole head (FindHeadEnd finds its end). False: it is none that can be passed on.
bool ParseHttpResponse(std::string_view head, HttpResponse* response);

}  // namespace dormouse
