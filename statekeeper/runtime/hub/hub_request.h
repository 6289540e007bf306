// A call of a hub by somebody who is no client, and who waits for its answer: another hub, a worker, an operator.
//
// Answered exactly once, if only by its end: a request that is dropped, for its hub goes elsewhere, says so.
//
// One lane's thread; `done` runs on it.
#pragma once

#include <functional>
#include <string>
#include <utility>

namespace dormouse {

class HubRequest {
 public:
  enum class Outcome {
    kAnswered,
    kFailed,    // its handler says so; the text is a sentence
    kStore,     // the store is away; worth another try
    kNotOwner,  // the hub is, or goes, elsewhere; worth another try there
    kNoClass,   // there is no such hub class
  };
  using Done = std::function<void(Outcome outcome, std::string text)>;

  HubRequest(std::string payload, Done done) : payload_(std::move(payload)), done_(std::move(done)) {}
  ~HubRequest() { Finish(Outcome::kNotOwner, "The hub has moved"); }
  HubRequest(const HubRequest&) = delete;
  HubRequest& operator=(const HubRequest&) = delete;

  const std::string& payload() const { return payload_; }
  void Finish(Outcome outcome, std::string text) {
    if (const Done done = std::exchange(done_, nullptr)) done(outcome, std::move(text));
  }

 private:
  const std::string payload_;
  Done done_;
};

}  // namespace dormouse
