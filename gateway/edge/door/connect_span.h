// The span of an opening handshake, from the whole request to the 101 or the refusal. It takes the client's place as the
// parent of what its hub does: the request that the hub is told of names it in `traceparent`.
//
// On the loop's thread; for the time of one call.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "common/http/http_reply.h"
#include "common/http/http_request.h"
#include "common/tracing/tracer.h"

namespace dormouse::edge {

class ConnectSpan {
 public:
  // `tracer`: nullptr: nothing is traced. `request` outlives this.
  ConnectSpan(Tracer* tracer, const HttpRequest& request);

  // The request as the hub is to see it.
  const HttpRequest& request() const { return traced_ ? *traced_ : request_; }
  // Which hub it leads to: CLASS/NAME.
  void OnHub(std::string_view hub);
  // `reply`: the refusal, if it is one.
  void End(const std::optional<HttpReply>& reply);

 private:
  const HttpRequest& request_;
  std::unique_ptr<OpenSpan> span_;  // nullptr: it is not traced
  std::string traceparent_;
  std::optional<HttpRequest> traced_;
};

}  // namespace dormouse::edge
