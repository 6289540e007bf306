// An answer to an HTTP request that does not become a WebSocket. A value.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace dormouse {

struct HttpReply {
  int status = 200;
  std::string content_type = "text/plain; charset=utf-8";
  std::string body = {};
  std::vector<std::pair<std::string, std::string>> headers = {};
};

// What stands behind the number in the first line (RFC 9110, 15).
const char* StatusText(int status);

}  // namespace dormouse
