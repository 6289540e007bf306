// Calls hubs, wherever they live (Hub::OnRequest). Any thread.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace dormouse {

class HubCaller {
 public:
  struct Answer {
    std::string payload;
    std::string failure;     // not empty: there is no payload, and this is why
    bool retryable = false;  // it was not begun, or may be tried again without harm
    bool no_class = false;   // there is no such hub class
    bool unknown = false;    // it may have been carried out
  };
  // On any thread, once.
  using Done = std::function<void(Answer answer)>;

  struct Question {
    std::string hub;  // "CLASS/NAME"
    std::string payload;
    int64_t timeout_ms = 0;                 // later it is not begun
    std::vector<std::string> waiting = {};  // hubs whose handlers wait for this answer (Context::Call)
    std::string traceparent = {};           // of the handler that asks; empty: it is not traced
  };

  virtual ~HubCaller() = default;
  virtual void Call(Question question, Done done) = 0;
};

}  // namespace dormouse
