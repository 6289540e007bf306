// The clients' sockets: reads what comes and takes it apart into frames, writes what it is given, ends.
//
// Of each turn of the loop a socket gets one read, into a buffer of the loop's: an idle socket has none. A
// frame's payload is handed on from there, without a copy, as far as it has come. How much one read takes is
// also what one client can make others wait for in a turn.
//
// Where a socket speaks TLS, what its session took counts as written, as what the kernel took does: it keeps less than a
// record that the kernel did not take, sees to it that this gets there, and counts it as not acknowledged.
//
// On the loop's thread. A record is never freed during a call of its owner's: what must go, goes when the
// loop comes to it.
#pragma once

#include <ev.h>
#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/http/client_socket.h"
#include "gateway/edge/frames/write_batch.h"
#include "gateway/edge/sockets/connection.h"

namespace dormouse::edge {

class WebSockets {
 public:
  // What clients say.
  class Receiver {
   public:
    virtual ~Receiver() = default;
    virtual void OnPiece(Connection* connection, const FrameReader::Step& piece) = 0;
    virtual void OnPing(Connection* connection, std::string_view payload) = 0;
    virtual void OnPong(Connection* connection, std::string_view payload) = 0;
    // The client's close frame (kNoCloseCode: without a code), or a breach of the protocol (`code`: what the
    // client is to be told). Nothing more will be heard: answer, and EndOutput once the answer is written.
    virtual void OnPeerClose(Connection* connection, uint16_t code, std::string_view reason) = 0;
    virtual void OnProtocolError(Connection* connection, uint16_t code, std::string_view what) = 0;
  };
  // Who has more to write than a socket took.
  class Sender {
   public:
    virtual ~Sender() = default;
    // It takes bytes again, as asked for by WantWritable.
    virtual void OnWritable(Connection* connection) = 0;
  };
  // Who has the records.
  class Owner {
   public:
    virtual ~Owner() = default;
    // The last call for this connection: the socket is over, the record may be freed.
    virtual void OnGone(Connection* connection) = 0;
  };

  // All outlive this.
  WebSockets(struct ev_loop* loop, Owner* owner);
  // Before the first is adopted.
  void SetEnds(Receiver* receiver, Sender* sender) {
    receiver_ = receiver;
    sender_ = sender;
  }
  ~WebSockets() { ev_idle_stop(loop_, &keep_turning_); }
  WebSockets(const WebSockets&) = delete;
  WebSockets& operator=(const WebSockets&) = delete;

  // Takes the descriptor and the session of `socket`, and sends the 101 (`answer`); `rest`: what the client sent after its
  // request. Nobody is called before this turn of the loop ends. False: that failed, the socket is closed.
  bool Adopt(ClientSocket* socket, std::string_view answer, std::string_view rest, Connection* connection);

  // Takes `fd`, which was another process's, and goes on where that stopped: the record is as it was there, and so
  // is what it waits for, `events`. Nobody is called before the next turn.
  void Restore(int fd, int events, Connection* connection);
  // What it waits for.
  static int EventsOf(const Connection& connection) { return connection.io.events & (EV_READ | EV_WRITE); }

  // Once a turn of the loop, before all else of its end: handles what has happened to sockets, in the order
  // in which it has happened. (The loop itself calls back for the last first.)
  void OnTurnEnd();

  // Bytes that the kernel took, 0 if it takes none now, -1 if the connection is broken: it will go by itself.
  ssize_t Write(Connection* connection, const WriteBatch& batch);
  void WantWritable(Connection* connection, bool on);
  void SetReading(Connection* connection, bool on);
  // All is said: ends our half of the connection, and closes it once the client has ended its own (RFC 6455,
  // 7.1.1: else the kernel would take back what the client has not read).
  void EndOutput(Connection* connection);
  // Ends a connection without ceremony; Owner::OnGone follows.
  void Abort(Connection* connection);
  // Closes the socket, and calls nobody.
  void CloseSilently(Connection* connection);

  // Whether the client has closed its end, though that has not been read yet, nor what it said before. What
  // is written from then on gets nowhere, and no error says so. A system call.
  static bool PeerHasClosed(const Connection& connection);
  // Bytes that the client's machine has not acknowledged. A system call.
  static int UnacknowledgedBytes(const Connection& connection);
  // How long the socket has been silent. A system call.
  static int64_t SinceLastDataMs(const Connection& connection);

 private:
  // A read takes this at least, and as much as is missing of the frame under way up to the other.
  static constexpr size_t kMinRead = 4'096;
  static constexpr size_t kMaxRead = 65'536;
  // Of sockets that are in the midst of a long frame, all together, in a turn of the loop: who says little is
  // not to wait until a hundred others have been read.
  static constexpr size_t kLongFrameBytes = 128u << 10;
  // For what was left unread, such as what came with the request.
  static constexpr size_t kBufferSize = kMaxRead + 32'768;

  void InitWatcher(int fd, int events, Connection* connection);
  void OnEvent(Connection* connection, int events);
  void HandleReady(Connection* connection);
  void Handle(Connection* connection, int events);
  bool Read(Connection* connection, bool from_socket);
  ssize_t ReadSocket(const Connection& connection, char* buffer, size_t wanted, bool* has_ended);
  ssize_t WriteTls(Connection* connection, const WriteBatch& batch);
  bool FlushTls(Connection* connection);
  bool OnEnd(Connection* connection);
  void Parse(Connection* connection, std::span<char> bytes);
  void Reschedule(Connection* connection);
  void Watch(Connection* connection, int events);
  void Gone(Connection* connection);

  struct ev_loop* loop_;
  Owner* const owner_;
  Receiver* receiver_ = nullptr;
  Sender* sender_ = nullptr;
  ev_idle keep_turning_;                   // active: the loop is to turn once more before it waits
  std::vector<Connection*> ready_;         // the last first; each once, here or in the other
  std::deque<Connection*> in_long_frame_;  // in the midst of a long frame; the next first
  const std::unique_ptr<char[]> buffer_ = std::make_unique<char[]>(kBufferSize);
  std::unique_ptr<char[]> record_;  // what is put together for one record of TLS; nullptr: there was none yet
};

}  // namespace dormouse::edge
