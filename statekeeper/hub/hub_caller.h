// Calls hubs, wherever they live (Hub::OnRequest). Any thread.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

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

  virtual ~HubCaller() = default;
  // `hub`: "CLASS/NAME". An answer that has not come after `timeout_ms` is a failure.
  virtual void Call(std::string hub, std::string payload, int64_t timeout_ms, Done done) = 0;
};

}  // namespace dormouse
