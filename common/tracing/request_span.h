// The span of an HTTP request, from when it was whole to its answer. It takes the client's place as the parent of what
// is done for it: whoever the request is passed on to sees it in `traceparent`.
//
// One thread at a time.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "common/http/http_request.h"
#include "common/tracing/tracer.h"

namespace dormouse {

class RequestSpan {
 public:
  // `tracer`: nullptr: nothing is traced. `request` outlives this.
  RequestSpan(Tracer* tracer, std::string_view name, const HttpRequest& request);

  // The request as others are to see it.
  const HttpRequest& request() const { return traced_ ? *traced_ : request_; }
  // Which hub it leads to: CLASS/NAME.
  void OnHub(std::string_view hub);
  // As OpenSpan::EndAnswered.
  void End(int status, std::string_view failure);
  // The span, for who answers later; nullptr: it is not traced.
  std::unique_ptr<OpenSpan> Take() { return std::move(span_); }

 private:
  const HttpRequest& request_;
  std::unique_ptr<OpenSpan> span_;  // nullptr: it is not traced
  std::string traceparent_;
  std::optional<HttpRequest> traced_;
};

// Has it belong to the span that this names. `traceparent` outlives the request.
void SetTraceParent(std::string_view traceparent, HttpRequest* request);

}  // namespace dormouse
