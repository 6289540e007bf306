// What backends say and are told over HTTP (clients/api.md), as messages of api.proto and back:
//
//   POST /api/hubs/CLASS/NAME/VERB   JSON   ->   api::Request
//   api::Reply                       ->   status and JSON
//
// Whatever is wrong with a request is answered with a sentence that says what is right. Pure functions; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "common/http/http_reply.h"
#include "common/http/http_request.h"
#include "proto/api.pb.h"

namespace dormouse {

// What the head of a request says.
struct ApiTarget {
  std::string hub;  // CLASS/NAME
  std::string verb;
  std::string idempotency_key;
  int64_t timeout_ms = 0;
};

// Nothing: `*refusal` says why. `longest_ms`: what who asks for more gets, and who asks for nothing.
std::optional<ApiTarget> ReadApiTarget(const HttpRequest& request, int64_t longest_ms, HttpReply* refusal);
std::optional<api::Request> ReadApiRequest(const ApiTarget& target, std::string_view body,
                                           HttpReply* refusal);

// What a backend has asked for over gRPC, made what HTTP would have made of it. Empty, or a sentence about what is wrong.
std::string CompleteApiRequest(int64_t longest_ms, api::Request* request);

HttpReply ApiReplyOf(std::string_view verb, const api::Reply& reply);
// {"error": {...}}; with Retry-After where it is worth another try.
HttpReply ApiRefusal(int status, std::string_view code, std::string_view sentence);
HttpReply ApiErrorReply(const api::Error& error);

}  // namespace dormouse
