#include "gateway/edge/outbound/turn_output.h"

#include <memory>
#include <utility>

#include "gateway/edge/sockets/connection.h"

namespace dormouse::edge {

TurnOutput::Body TurnOutput::AddBody(std::string_view bytes) {
  if (bytes.empty()) return kNoBody;
  BodyBytes body{copies_.size(), bytes.size(), nullptr};
  if (bytes.size() > kMaxOwn) {
    body.shared = std::make_shared<SharedBytes>(bytes, budget_);
  } else {
    copies_.append(bytes);
  }
  bodies_.push_back(std::move(body));
  return static_cast<Body>(bodies_.size() - 1);
}

std::string_view TurnOutput::BytesOf(Body body) const {
  if (body == kNoBody) return {};
  const BodyBytes& bytes = bodies_[body];
  return bytes.shared != nullptr ? bytes.shared->view()
                                 : std::string_view{copies_}.substr(bytes.at, bytes.size);
}

SharedBody TurnOutput::Share(Body body) {
  if (body == kNoBody) return nullptr;
  SharedBody& shared = bodies_[body].shared;
  if (shared == nullptr) shared = std::make_shared<SharedBytes>(BytesOf(body), budget_);
  return shared;
}

void TurnOutput::Add(Connection* connection, Opcode opcode, std::string_view head, Body body, bool returnable,
                     bool compressed) {
  const Entry entry{.head_at = copies_.size(),
                    .head_size = static_cast<uint32_t>(head.size()),
                    .next = kEnd,
                    .body = body,
                    .opcode = opcode,
                    .returnable = returnable,
                    .compressed = compressed};
  copies_.append(head);
  bytes_ += head.size() + (body == kNoBody ? 0 : bodies_[body].size);
  Append(connection, entry);
}

void TurnOutput::AddOwn(Connection* connection, Opcode opcode, std::string_view head, std::string_view body,
                        bool returnable) {
  char header[WireMessage::kMaxHeader];
  const size_t header_size = WireMessage(opcode, head, body).WriteHeader(header);
  const Entry entry{.head_at = copies_.size() + header_size,
                    .head_size = static_cast<uint32_t>(head.size()),
                    .header_size = static_cast<uint32_t>(header_size),
                    .own_size = static_cast<uint32_t>(body.size()),
                    .next = kEnd,
                    .body = kNoBody,
                    .opcode = opcode,
                    .returnable = returnable,
                    .compressed = false};
  copies_.append(header, header_size).append(head).append(body);
  bytes_ += head.size() + body.size();
  Append(connection, entry);
}

void TurnOutput::Append(Connection* connection, const Entry& entry) {
  const auto message = static_cast<Message>(messages_.size());
  messages_.push_back(entry);
  if (connection->turn_place == 0) {
    sockets_.push_back({connection, message, message});
    connection->turn_place = static_cast<uint32_t>(sockets_.size());
    return;
  }
  Socket& socket = sockets_[connection->turn_place - 1];
  messages_[socket.last].next = message;
  socket.last = message;
}

TurnOutput::Message TurnOutput::Take(Connection* connection) {
  if (connection->turn_place == 0) return kEnd;
  Socket& socket = sockets_[connection->turn_place - 1];
  connection->turn_place = 0;
  socket.connection = nullptr;
  return socket.first;
}

WireMessage TurnOutput::Wire(const Entry& entry) const {
  return {entry.opcode, HeadOf(entry), entry.header_size > 0 ? OwnBodyOf(entry) : BytesOf(entry.body),
          entry.compressed};
}

size_t TurnOutput::AppendTo(WriteBatch* batch, Message message, size_t from) const {
  const Entry& entry = messages_[message];
  if (entry.header_size == 0) {
    const WireMessage wire = Wire(entry);
    return wire.AppendTo(batch, from, wire.wire_size());
  }
  const size_t size = entry.header_size + entry.head_size + entry.own_size - from;
  const std::string_view bytes =
      std::string_view{copies_}.substr(entry.head_at - entry.header_size + from, size);
  return batch->Append(bytes, WriteBatch::Lifetime::kWrite) ? size : 0;
}

OutboundQueue::Frame TurnOutput::ToFrame(Message message, size_t sent) {
  const Entry& entry = messages_[message];
  SharedBody body = Share(entry.body);
  if (entry.own_size > 0) body = std::make_shared<SharedBytes>(OwnBodyOf(entry), budget_);
  return {.opcode = entry.opcode,
          .head = std::string(HeadOf(entry)),
          .body = std::move(body),
          .returnable = entry.returnable,
          .compressed = entry.compressed,
          .sent = sent};
}

void TurnOutput::Clear() {
  if (copies_.capacity() > kKeptBytes) {
    std::string().swap(copies_);
  } else {
    copies_.clear();
  }
  bodies_.clear();
  messages_.clear();
  sockets_.clear();
  bytes_ = 0;
}

}  // namespace dormouse::edge
