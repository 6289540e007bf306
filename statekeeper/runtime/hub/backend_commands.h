// What is done with a backend's request (api.proto) at its hub: looks whether it was answered before, carries out its
// commands, and keeps its answer where it has an idempotency key. Made for one event.
//
//   Begin -> kept answer? it is given again
//         -> Call -> Hub::OnRequest -> (now, or when the deferred event is finished) End -> reply
//         -> commands -> the class (backend_hub.h), or the runtime -> reply
//
// What cannot be done is answered with an error, and then nothing of the request is: either it is found out before
// anything was done, or the handler fails (Refused).
//
// One lane's thread, on a fiber. Throws what handlers throw.
#pragma once

#include <exception>
#include <functional>
#include <string>
#include <vector>

#include "proto/api.pb.h"
#include "statekeeper/hub/backend_hub.h"
#include "statekeeper/hub/hub.h"
#include "statekeeper/runtime/hub/hub_context.h"
#include "statekeeper/runtime/hub/hub_event.h"
#include "statekeeper/runtime/hub/hub_request.h"
#include "statekeeper/runtime/hub/hub_state.h"

namespace dormouse {

class BackendCommands {
 public:
  // HubRequest::refusal says why; what the request has done is to be taken back.
  class Refused : public std::exception {
   public:
    const char* what() const noexcept override { return "a backend's request is refused"; }
  };

  struct Parts {
    HubState* state;
    Hub* hub;
    HubContext* context;
    // Whether the first request with that key is not answered yet.
    std::function<bool(const std::string& key)> is_under_way;
    // Has the hub hear of ends of connections, when the request's effects are durable.
    std::function<void(std::vector<HubEvent> ends)> end_connections;
  };
  explicit BackendCommands(Parts parts) : parts_(std::move(parts)) {}

  void Begin(HubRequest* request);
  // A Call was deferred, and its last turn has run. `failure`: not empty: it has failed.
  void End(const HubRequest& request, const std::string& failure);

  // The reply to a request whose handler did not count.
  static std::string ReplyTo(Hub::Failure failure);
  static std::string ReplyOf(api::Error::Code code, const std::string& message);

 private:
  api::Error Check(const api::Request& request) const;
  api::Error CheckCommand(const api::Command& command) const;
  void Run(HubRequest* request);
  // False: `*refused` says why.
  bool Do(const api::Command& command, api::Result* result, std::string* refused);
  void Send(const api::Send& send, api::Sent* sent);
  void Broadcast(const api::Broadcast& broadcast, api::Sent* sent);
  uint32_t Disconnect(const api::Disconnect& command);
  std::vector<ConnectionId> Whom(const api::Disconnect& command);
  void List(const api::ListConnections& command, api::ConnectionPage* page);
  void Answer(const HubRequest& request, api::Reply* reply);
  void Fail(api::Error error);

  const Parts parts_;
  BackendHub* const own_ = dynamic_cast<BackendHub*>(parts_.hub);  // nullptr: the class has no way of its own
  std::vector<HubEvent> ends_;
};

}  // namespace dormouse
