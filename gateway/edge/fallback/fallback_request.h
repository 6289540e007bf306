// One request of a client that has no WebSocket, on a socket that the door has given away: reads its body as
// far as somebody wants it, writes an answer, whole or as a stream, and says when that is done or the client
// has gone. What it means is another's business (fallback_room.h).
//
// It holds what one read brought and what one write did not take. On the loop's thread.
#pragma once

#include <ev.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "common/http/client_socket.h"
#include "common/http/front_door.h"
#include "common/http/http_request.h"
#include "common/http/ip_address.h"
#include "common/loop/timer_wheel.h"
#include "gateway/edge/fallback/fallback_connection.h"
#include "gateway/edge/fallback/open_heads.h"

namespace dormouse::edge {

// Its timer is the owner's.
class FallbackRequest : public TimerNode {
 public:
  // None of these may free it but OnFinished and OnLeft, which are the last call.
  class Owner {
   public:
    virtual ~Owner() = default;
    // Begin, in a turn of the loop of its own: the door is not on the stack any more.
    virtual void OnBegin(FallbackRequest* request) = 0;
    // More of the body is in body(), or all of it has come.
    virtual void OnBody(FallbackRequest* request) = 0;
    // What was written is with the kernel, and the answer goes on.
    virtual void OnWritten(FallbackRequest* request) = 0;
    // The whole answer is with the kernel.
    virtual void OnFinished(FallbackRequest* request) = 0;
    // The client has ended its connection, or broken it.
    virtual void OnLeft(FallbackRequest* request) = 0;
  };

  // Takes the socket. `owner` outlives this.
  FallbackRequest(struct ev_loop* loop, Owner* owner, FallbackCall call, const HttpRequest& request,
                  const FrontDoor::Visit& visit, uint64_t length);
  ~FallbackRequest();  // closes the socket if it still has it
  FallbackRequest(const FallbackRequest&) = delete;
  FallbackRequest& operator=(const FallbackRequest&) = delete;

  FallbackCall call() const { return call_; }
  const IpAddress& peer() const { return peer_; }
  bool crowded() const { return crowded_; }

  // --- The body.
  // What has come of it and was not taken.
  std::string_view body() const { return std::string_view(in_).substr(in_taken_); }
  void Take(size_t bytes);
  bool has_whole_body() const { return body_left_ == 0; }
  // Whether more is read: not while somebody has no place for it.
  void SetReading(bool on);
  bool is_reading() const { return reads_body_ && body_left_ > 0; }

  // --- The answer.
  // The whole of it; `headers`: lines with their ends.
  void Answer(int status, std::string_view content_type, std::string_view headers, std::string_view body,
              std::string_view date);
  // As it came from elsewhere; the connection ends with it.
  void AnswerAsIs(std::string answer);
  // Begins one whose length nobody knows.
  void Begin(std::string_view content_type, std::string_view headers, std::string_view date);
  void Append(std::string_view text);
  // A client whose machine acknowledges nothing for so long has gone.
  void LimitSilence(int64_t ms);
  void End();
  bool is_begun() const { return is_begun_; }
  bool is_ending() const { return is_ending_; }
  bool has_unwritten() const { return !out_.empty() || !socket_.is_flushed(); }
  // SteadyMs() of the last byte that came or went.
  int64_t moved_ms() const { return moved_ms_; }
  // Whether another request may follow on this socket.
  bool keeps_alive() const { return keeps_alive_; }

  // Gives the socket up; `rest`: what the client has sent after this request.
  struct Leaving {
    ClientSocket socket;
    std::string rest;
  };
  Leaving Release();

  // Of the owner.
  FallbackConnection* connection = nullptr;
  std::string id = {};  // of the connection that is meant
  uint64_t after = 0;
  uint16_t code = 0;
  std::string reason = {};
  FallbackConnection::Posted posted = {};
  std::string cors = {};      // header lines
  std::string upgrade = {};   // of kOpen: what is to be sent
  uint64_t sent_event = 0;    // of kEvents, kPoll: the client has, or is being sent, what came up to it
  uint64_t asked_at = 0;      // of kEvents: a confirmation of what came up to it was asked for
  int64_t wait_until_ms = 0;  // of kPoll
  uint64_t written_bytes = 0;
  uint64_t received_bytes = 0;

 private:
  static constexpr size_t kReadSize = 64u << 10;
  static constexpr size_t kMaxRest = 16u << 10;

  void OnIo(int events);
  // False: it is over, and may have been freed.
  bool Read();
  bool Write();
  void UpdateWatcher();

  struct ev_loop* const loop_;
  Owner* const owner_;
  const FallbackCall call_;
  ClientSocket socket_;
  ev_io io_;
  const IpAddress peer_;
  const bool crowded_;
  const bool is_old_;  // HTTP/1.0
  bool keeps_alive_;
  bool reads_body_ = false;
  bool is_begun_ = false;
  bool is_chunked_ = false;
  bool is_ending_ = false;
  std::string in_;
  size_t in_taken_ = 0;
  uint64_t body_left_;  // to be read
  std::string rest_;
  std::string out_;
  int64_t moved_ms_;
};

}  // namespace dormouse::edge
