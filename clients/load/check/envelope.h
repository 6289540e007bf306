// Frames of class signal, protocol 1.0, as a load client writes and reads them. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "clients/load/check/history.h"
#include "common/json/json_reader.h"

namespace dormouse::load::check {

// "load/7"
std::string AddressOf(ClientId client);
// kNobody: it is no client's.
ClientId ClientAt(std::string_view address);

// "topics/3"
std::string TopicName(uint32_t topic);

// `payload`: JSON.
std::string Request(OperationId operation, ClientId from, Kind kind, std::string_view payload);
// The payload of a message that says which operation it comes of; `where` is a member of its own, such as
// "to".
std::string MessagePayload(OperationId operation, std::string_view where, const std::string& whom);

// What a frame of the hub says. Slices live as long as the frame.
struct Reply {
  bool is_message = false;  // of another client; else an answer, or something that the hub says unasked
  bool is_answer = false;   //
  OperationId operation =
      0;           // that a message comes of, or an answer is to; 0: one that this process never gave
  std::string id;  // of the frame
  ClientId addressed = kNobody;
  Outcome outcome = Outcome::kAcknowledged;
  std::string error;  // "CODE: MESSAGE"
  JsonObject payload;
};
// Nothing: it is no frame of a hub.
std::optional<Reply> ReadReply(std::string_view text);

}  // namespace dormouse::load::check
