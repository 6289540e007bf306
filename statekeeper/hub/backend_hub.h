// What a backend asks of a hub (api.proto), where the hub's class has its own way to do it. A Hub that has one derives
// from this, too. Of all others the runtime sends to connections and tags, and closes sockets, which the class hears of
// as of any other end (OnClose).
//
// Called as handlers are; what is said of those in hub.h holds. Events cannot be deferred here.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "common/ids.h"
#include "proto/api.pb.h"
#include "statekeeper/hub/hub.h"

namespace dormouse {

class BackendHub {
 public:
  virtual ~BackendHub() = default;

  // A Send to an actor, a Publish or a Broadcast. False: `*refused` is a sentence, and nothing was done.
  virtual bool Deliver(Context& context, const api::Command& command, api::Sent* sent,
                       std::string* refused) = 0;
  // The socket of an actor that has one.
  virtual std::optional<ConnectionId> FindActor(Context& context, const std::string& actor) = 0;
  // The connection is closed, and whatever the class keeps for its client ends.
  virtual void Disconnect(Context& context, const Connection& connection, uint16_t code,
                          std::string_view reason) = 0;
  // What the class knows of a connection: the fields of api.Connection that are its own.
  virtual void DescribeConnection(Context& context, const Connection& connection,
                                  api::Connection* description) = 0;
};

}  // namespace dormouse
