// What actors say to each other: an application's message on its way through the hub.
//
// The recipient gets it flat: payload.type and payload.data of the request become type and payload, the bytes
// of the data untouched. Addresses in it are in the form that the recipient uses.
#pragma once

#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/json/json_writer.h"
#include "statekeeper/classes/signal/delivery/flow_control.h"
#include "statekeeper/classes/signal/messages/call.h"

namespace dormouse::signal {

struct Content {
  std::string type;
  JsonSlice data;
};

// payload.type and payload.data. Without data, a payload that holds more than the hub's own fields
// (`own_fields`, and type) is the data: so the published specification writes it. Nothing: refused.
std::optional<Content> ReadContent(const Call& call, std::initializer_list<std::string_view> own_fields);

// One message to any number of actors.
class Delivery {
 public:
  // `metadata`: what its metadata begins with; `forwarded` and `via` are added. Needs call.from.
  Delivery(const Call& call, const Content& content, std::string_view correlation_id, JsonWriter metadata);

  // --- Recipients. Passes over what belongs to a session that has ended.
  void Add(const ConnectionId& connection, const Address& recipient);
  size_t size() const { return bare_.size() + canonical_.size(); }

  // Whether it is no more than one message may make the hub send (max-output). False: it was answered, and
  // nobody gets it.
  bool MayBeSent() const;

  // Sends it, once per form of address in use: the recipients of a form share all bytes but their `to`. For
  // recipients without a socket it is kept. Tells the sender of recipients that do not keep up.
  struct Outcome {
    size_t delivered = 0;  // to open sockets
    size_t queued = 0;     // kept
    // Get only the note that they missed it: their mailbox has no room for it, or it is more than one message
    // may make the hub keep (half of max-changes) or than half of what the hub's state has room for.
    size_t failed = 0;
  };
  Outcome Send();

 private:
  struct Recipients {
    size_t size() const { return open.size() + absent.size(); }
    std::vector<Context::HeadedRecipient> open;
    std::vector<Context::HeadedRecipient> absent;  // by whose mailbox it is
  };
  std::string NewId() const;
  // At most, with what the runtime needs to send it.
  uint64_t OutputBytes(const Recipients& recipients) const;
  void SendTo(Recipients recipients, bool canonical, Outcome* outcome);
  bool Keep(const Context::HeadedRecipient& recipient, const std::string& id, const std::string& tail);

  const Call& call_;
  const Content& content_;
  const std::string_view correlation_id_;
  const JsonWriter metadata_;
  Recipients bare_;
  Recipients canonical_;
  FlowControl flow_;
  std::vector<FlowControl::Target> congested_;
  uint64_t room_for_mail_ = 0;
};

}  // namespace dormouse::signal
