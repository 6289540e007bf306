// libwebsockets, behind the few things that the edge needs of it: adopt a socket whose upgrade was decided,
// take frames, write frames, close. All of the library's ways that one must know are in here and nowhere
// else.
//
// On the loop's thread. Writes and closes may come from anywhere on it, also from within the handler's calls;
// the library never frees a socket during one of ours (what must go, goes in a later turn of the loop).
#pragma once

#include <ev.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "gateway/edge/connection.h"

struct lws_context;
struct lws_vhost;

namespace dormouse {

class WebSockets {
 public:
  // Bytes of a message as they arrive.
  struct Piece {
    std::string_view data;  // valid during the call
    bool first;             // of its message
    bool last;
    bool binary;         // of the message; known from the first piece on
    uint64_t remaining;  // bytes of the same frame that are still to come
    bool unmasked;       // the frame breaks the rule that clients mask
  };
  class Handler {
   public:
    virtual ~Handler() = default;
    virtual void OnOpen(Connection* connection) = 0;  // the 101 has been sent
    virtual void OnPiece(Connection* connection, const Piece& piece) = 0;
    virtual void OnPong(Connection* connection, std::string_view payload) = 0;
    // The client's close frame; 1005: without a code. The answer is on its way.
    virtual void OnPeerClose(Connection* connection, uint16_t code, std::string_view reason) = 0;
    // The socket takes bytes, and nothing is buffered before them. True: CloseNow was called.
    virtual bool OnWritable(Connection* connection) = 0;
    // The library ends the connection: 1006, it broke; else the client broke the protocol.
    virtual void OnFailed(Connection* connection, uint16_t code, std::string_view reason) = 0;
    virtual void OnGone(
        Connection* connection) = 0;  // the socket is closed; the last call for this connection
  };

  WebSockets(struct ev_loop* loop, Handler* handler);
  ~WebSockets();
  WebSockets(const WebSockets&) = delete;
  WebSockets& operator=(const WebSockets&) = delete;
  bool ok() const { return context_ != nullptr; }

  struct Upgrade {
    std::string_view key;          // Sec-WebSocket-Key
    std::string_view subprotocol;  // to answer with; empty: none
    std::string_view rest;         // what the client sent after its request
  };
  // Takes `fd`, sends the 101 and calls OnOpen; false: that failed, OnOpen was not called, the socket is
  // closed.
  bool Adopt(int fd, const Upgrade& upgrade, Connection* connection);

  enum class Written {
    kSent,
    kBuffered,  // taken, but write no more before OnWritable
    kFailed,    // the connection is broken; it will go by itself
  };
  // More at once would be cut into frames by the library.
  static constexpr size_t kMaxWrite = 65'536;
  // How many of `wanted` bytes may be written as one frame so that the kernel takes all of it; 0: too few for
  // now, WantWritable tells when there are more. What the library has to keep back holds up all that comes
  // after it; and when the client closes meanwhile, the library gives up both, the close frame unanswered and
  // unheard.
  static size_t Room(Connection* connection, size_t wanted);
  // Writes one frame of a message. `data` has kFrameHeadroom bytes before it: they are restored.
  static Written Write(Connection* connection, char* data, size_t size, bool binary, bool first, bool last);
  // Asks the client for a sign. False: not now, something is buffered before it.
  static bool Ping(Connection* connection, std::string_view payload);
  static bool HasBuffered(const Connection& connection);
  // Whether the client has closed its end, though that has not been read yet, nor what it said before. What
  // is written from then on gets nowhere, and no error says so. A system call.
  static bool PeerHasGone(const Connection& connection);
  // Bytes that the client's machine has not acknowledged. A system call.
  static int Unacknowledged(const Connection& connection);
  static void WantWritable(Connection* connection);
  // Only in OnWritable, once: sends the close frame; the library then waits for the client's.
  static void CloseNow(Connection* connection, uint16_t code, std::string_view reason);
  // Ends a connection without ceremony, in the next turn of the loop. OnFailed (where it is open), OnGone
  // follow.
  static void Kill(Connection* connection);
  static void SetReading(Connection* connection, bool on);
  // How long the socket has been silent; sees also what the library keeps to itself (pings, empty pongs).
  static int64_t SilentMs(const Connection& connection);

 private:
  struct Adoption {
    Connection* connection;
    std::string_view subprotocol;
    bool opened = false;
  };
  struct Glue;
  int Handle(lws* socket, int reason, Connection* connection, char* in, size_t size);
  int AddHeaders(void* args);
  void OnReceive(lws* socket, Connection* connection, const char* in, size_t size);
  bool IsUnmasked(const char* payload, uint64_t frame_size) const;

  Handler* handler_;
  lws_context* context_ = nullptr;
  lws_vhost* vhost_ = nullptr;
  Adoption* adopting_ = nullptr;       // the upgrade under way; it takes one call
  const char* read_buffer_ = nullptr;  // where the library reads into
};

}  // namespace dormouse
