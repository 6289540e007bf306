// A call of a hub by somebody who is no client, and who waits for its answer: another hub, a worker, a backend.
//
// What another hub says is a payload for the hub's class. A backend says commands (api.proto), of which most are the
// runtime's (backend_commands.h); it is answered with an api.Reply.
//
// Answered exactly once, if only by its end: a request that is dropped, for its hub goes elsewhere, says so.
//
// One lane's thread; `done` runs on it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace dormouse {

namespace api {
class Request;
}

class HubRequest {
 public:
  enum class Outcome {
    kAnswered,
    kFailed,    // its handler says so; the text is a sentence
    kStore,     // the store is away; worth another try
    kNotOwner,  // the hub is, or goes, elsewhere; worth another try there
    kUnknown,   // the same, but it was carried out, and it is not known whether that counts
    kNoClass,   // there is no such hub class
  };
  using Done = std::function<void(Outcome outcome, std::string text)>;
  // What is known of who calls, where that is not a backend.
  struct Caller {
    int64_t until_ms = 0;                   // SteadyMs: later it is not begun; 0: as long as it takes
    std::vector<std::string> waiting = {};  // hubs that wait for its answer
    std::string traceparent = {};           // of the handler that calls; empty: it is not traced
  };

  HubRequest(std::string payload, Done done) : payload_(std::move(payload)), done_(std::move(done)) {}
  HubRequest(std::string payload, Caller caller, Done done)
      : payload_(std::move(payload)), caller_(std::move(caller)), done_(std::move(done)) {}
  // `until_ms` (SteadyMs): later it is not begun. `bytes`: of the commands.
  HubRequest(std::shared_ptr<const api::Request> commands, int64_t until_ms, size_t bytes, Done done)
      : commands_(std::move(commands)),
        caller_({.until_ms = until_ms}),
        bytes_(bytes),
        done_(std::move(done)) {}
  ~HubRequest() { Finish(Outcome::kNotOwner, "The hub has moved"); }
  HubRequest(const HubRequest&) = delete;
  HubRequest& operator=(const HubRequest&) = delete;

  const std::string& payload() const { return payload_; }
  // nullptr: it is no backend's.
  const api::Request* commands() const { return commands_.get(); }
  const Caller& caller() const { return caller_; }
  size_t bytes() const { return payload_.size() + bytes_; }

  // Its handler fails, for this reason: an api.Reply. Else what is said of it follows from the failure.
  void Refuse(std::string reply) { refusal_ = std::move(reply); }
  const std::string& refusal() const { return refusal_; }

  void Finish(Outcome outcome, std::string text) {
    if (const Done done = std::exchange(done_, nullptr)) done(outcome, std::move(text));
  }

 private:
  const std::string payload_;
  const std::shared_ptr<const api::Request> commands_;
  const Caller caller_;
  const size_t bytes_ = 0;
  std::string refusal_;
  Done done_;
};

}  // namespace dormouse
