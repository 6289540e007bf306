// What one turn of the loop has for sockets: gathered here, and written when the turn ends, so that all that
// a socket gets of a turn leaves in one write.
//
// A body is kept once for all sockets that get it; a socket's own part of a message is its head. A short
// message for one socket alone is kept as it goes out, header included, and is not copied again. Nothing of
// this lives longer than the turn: what a socket does not take then waits in its queue (OutboundQueue).
//
// One thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/edge/buffers/outbound_queue.h"
#include "gateway/edge/buffers/shared_bytes.h"
#include "gateway/edge/frames/wire_message.h"
#include "gateway/edge/frames/write_batch.h"

namespace dormouse::edge {

struct Connection;

class TurnOutput {
 public:
  // `budget` outlives this.
  explicit TurnOutput(OutboundBudget* budget) : budget_(budget) {}
  TurnOutput(const TurnOutput&) = delete;
  TurnOutput& operator=(const TurnOutput&) = delete;

  // --- Gathering.
  using Body = uint32_t;
  static constexpr Body kNoBody = ~Body{0};
  // Copies the bytes.
  Body AddBody(std::string_view bytes);
  // The body for who keeps it longer than the turn; nullptr: it has none.
  SharedBody Share(Body body);
  // The head is copied.
  void Add(Connection* connection, Opcode opcode, std::string_view head, Body body, bool returnable,
           bool compressed = false);
  // The same of a message that nobody else gets, of at most kMaxOwn bytes. Both parts are copied. (A longer
  // body is shared from the start, instead of being copied again if its socket has to wait.)
  static constexpr size_t kMaxOwn = 4'096;
  void AddOwn(Connection* connection, Opcode opcode, std::string_view head, std::string_view body,
              bool returnable);
  // To be written, headers not counted.
  size_t bytes() const { return bytes_; }

  // --- Writing. Messages of a socket are a list.
  using Message = uint32_t;
  static constexpr Message kEnd = ~Message{0};
  size_t sockets() const { return sockets_.size(); }
  // nullptr: its messages were taken.
  Connection* socket(size_t index) const { return sockets_[index].connection; }
  // Takes all that there is for a socket out of it: the first message, or kEnd. What is added for the socket
  // from now on comes after it.
  Message Take(Connection* connection);
  Message Next(Message message) const { return messages_[message].next; }
  // Bytes of its frames, headers included.
  size_t wire_size(Message message) const { return Wire(messages_[message]).wire_size(); }
  // Adds those from `from` on, or as many as the batch takes; returns how many. The batch is to be written
  // before anything is added here.
  size_t AppendTo(WriteBatch* batch, Message message, size_t from) const;
  bool IsReturnable(Message message) const { return messages_[message].returnable; }
  Opcode opcode(Message message) const { return messages_[message].opcode; }
  // For a queue; `sent`: bytes that were written.
  OutboundQueue::Frame ToFrame(Message message, size_t sent);
  // The turn is over. Everything was taken.
  void Clear();

 private:
  // What is kept of the buffer from turn to turn.
  static constexpr size_t kKeptBytes = 1u << 20;

  struct BodyBytes {
    size_t at;  // in copies_; of a long body: not there
    size_t size;
    SharedBody shared;
  };
  struct Entry {
    size_t head_at;  // in copies_
    uint32_t head_size;
    // Of one that nobody else gets: its header lies before the head, and its body behind it.
    uint32_t header_size = 0;  // 0: it is none
    uint32_t own_size = 0;
    Message next;
    Body body;
    Opcode opcode;
    bool returnable;
    bool compressed;
  };
  struct Socket {
    Connection* connection;
    Message first;
    Message last;
  };
  std::string_view BytesOf(Body body) const;
  std::string_view HeadOf(const Entry& entry) const {
    return std::string_view{copies_}.substr(entry.head_at, entry.head_size);
  }
  std::string_view OwnBodyOf(const Entry& entry) const {
    return std::string_view{copies_}.substr(entry.head_at + entry.head_size, entry.own_size);
  }
  WireMessage Wire(const Entry& entry) const;
  void Append(Connection* connection, const Entry& entry);

  OutboundBudget* const budget_;
  std::string copies_;
  std::vector<BodyBytes> bodies_;
  std::vector<Entry> messages_;
  std::vector<Socket> sockets_;  // in the order of their first message
  size_t bytes_ = 0;
};

}  // namespace dormouse::edge
