// Visitors with an HTTP request: reads the head of one request from each socket, in bounded time and memory,
// and then either answers and closes, or gives the socket away to be upgraded.
//
// A visitor that says nothing costs a descriptor and a small record until its deadline, or until so many have
// come after it that its place is needed; ten thousand of them are nothing to anybody else, for nobody waits
// for another here. Answers of the door close the connection. Who takes a socket may answer otherwise, and give it
// back: its next request passes this door as the first did.
//
// Where visitors have to speak TLS, that is dealt with here, too, before their request. A handshake is a hundred times
// the work of a message: of all of them so much is done in a turn of the loop, first come first served, that others
// hardly notice how many there are.
//
// On the loop's thread.
#pragma once

#include <ev.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <list>
#include <optional>
#include <string>
#include <string_view>

#include "common/http/address_limit.h"
#include "common/http/client_socket.h"
#include "common/http/http_date.h"
#include "common/http/http_reply.h"
#include "common/http/http_request.h"
#include "common/http/ip_address.h"
#include "common/loop/loop_timers.h"
#include "common/tls/tls_files.h"

namespace dormouse {

class FrontDoor {
 public:
  struct Visit {
    ClientSocket* socket;
    const IpAddress& peer;
    bool crowded;           // few descriptors are left
    std::string_view head;  // the request's, as the client sent it
    std::string_view rest;  // what it sent after that
  };
  class Handler {
   public:
    virtual ~Handler() = default;
    // The reply, or nothing if the handler took *visit.socket.
    virtual std::optional<HttpReply> OnRequest(const HttpRequest& request, const Visit& visit) = 0;
    // A proxy has said who its client is, to whom the visitor belongs from now on, and the `seat`. A reply:
    // the client may not come in.
    virtual std::optional<HttpReply> OnProxied(const IpAddress& /*client*/, AddressLimit::Seat* /*seat*/) {
      return std::nullopt;
    }

    // To be counted: how many visitors there are now; a request that did not come in time, or before too many
    // others came; one from a proxy that did not begin as it has to; an answer.
    virtual void OnVisitors(size_t /*count*/) {}
    virtual void OnCutOff() {}
    virtual void OnBadProxyHeader() {}
    virtual void OnAnswered(int /*status*/) {}
    // A TLS handshake is done, or is over: `why` is the end of a sentence about the visitor.
    virtual void OnTls(bool /*resumed*/) {}
    virtual void OnTlsFailed(const IpAddress& /*peer*/, const std::string& /*why*/) {}
  };
  struct Limits {
    int64_t deadline_ms =
        5'000;  // for the whole request, a TLS handshake included; then anew for each piece of the answer
    size_t max_head = 16'384;
    size_t max_visitors = 4'096;  // one more, and who came first must go
  };

  FrontDoor(struct ev_loop* loop, Limits limits, Handler* handler);
  ~FrontDoor();
  FrontDoor(const FrontDoor&) = delete;
  FrontDoor& operator=(const FrontDoor&) = delete;

  struct Arrival {
    bool crowded = false;  // few descriptors are left
    bool proxied = false;  // has to begin with a PROXY header (proxy_header.h), which says who it really is
    bool tls = false;      // speaks TLS from there on
    bool is_pair = false;  // is in this process
  };
  // The certificate that such visitors are shown; outlives this.
  void set_tls(const TlsFiles* tls) { tls_ = tls; }
  // `seat` is given back when the visitor goes.
  void Admit(int fd, const IpAddress& peer, AddressLimit::Seat seat, Arrival how);
  // Answers without hearing the visitor. Of those only so many may take their time to read it: the rest is
  // turned away without a word. Who speaks TLS gets an alert: a handshake is too much for that.
  void TurnAway(int fd, const HttpReply& reply, bool tls);
  // Answers one whose socket its handler took (Handler::OnRequest) to find out what to say.
  void Finish(ClientSocket socket, const HttpReply& reply, bool with_body = true);
  // Takes one back who has been answered by somebody else who had taken the socket: the next request may come.
  // `rest`: what it has sent already.
  void Readmit(ClientSocket socket, const IpAddress& peer, std::string_view rest);
  // Sees one out who has been answered by somebody else who had taken the socket.
  void SeeOut(ClientSocket socket);
  // For who comes from now on.
  void set_deadline_ms(int64_t deadline_ms) { limits_.deadline_ms = deadline_ms; }
  size_t size() const { return visitors_.size(); }

  // --- For this process's successor: those whose request has not come whole. All others are seen out here.
  struct Waiting {
    int fd = -1;
    IpAddress peer;
    AddressLimit::Seat* seat = nullptr;
    std::string_view bytes;  // of the request, so far
    Arrival how;
    int64_t deadline_ms = 0;
  };
  // Who came first is the first.
  void ForEachWaiting(const std::function<void(const Waiting&)>& visit);
  // They are somebody else's now: closes this process's descriptors of them.
  void ForgetWaiting();
  // One that was another process's.
  void Restore(const Waiting& waiting);

 private:
  struct Visitor : TimerNode {  // its deadline
    enum class State { kReading, kShaking, kWriting, kLingering };
    FrontDoor* door = nullptr;
    std::list<Visitor>::iterator self;
    ClientSocket socket;
    ev_io io;
    State state = State::kReading;
    Arrival how;
    bool turned_away = false;
    bool was_answered = false;  // once already
    IpAddress peer;
    std::list<Visitor*>::iterator shake;  // where `is_due`: its place among those
    bool is_due = false;                  // its handshake can go on
    std::string bytes;                    // what was read, then what is to be written
    size_t looked_at = 0;                 // of what was read, for the head's end
    size_t written = 0;

    // To this process's successor.
    bool can_move() const { return state == State::kReading && socket.CanMove(); }
  };

  // What handshakes may take of a turn of the loop. One step, of which a whole one has two, is made in any case.
  static constexpr std::chrono::microseconds kShakingTime{1'000};

  Visitor* Add(ClientSocket socket);
  void OnIo(Visitor* visitor);
  void Read(Visitor* visitor);
  void Take(Visitor* visitor);
  bool TakeProxyHeader(Visitor* visitor);
  void BeginTls(Visitor* visitor);
  void ShakeLater(Visitor* visitor);
  void ShakeSome();
  void Shake(Visitor* visitor);
  void Judge(Visitor* visitor);
  std::string Serialize(const HttpReply& reply, bool with_body);
  void Answer(Visitor* visitor, const HttpReply& reply, bool with_body);
  void Write(Visitor* visitor);
  void EndOutput(Visitor* visitor);
  void Linger(Visitor* visitor);
  void Watch(Visitor* visitor, int events);
  void Remove(Visitor* visitor, bool close_fd);
  void CutOff(Visitor* visitor);
  void PostponeDeadline(Visitor* visitor);

  struct ev_loop* loop_;
  Limits limits_;
  Handler* handler_;
  LoopTimers timers_;
  HttpDate date_;
  std::list<Visitor> visitors_;  // who came last is the first
  size_t turned_away_ = 0;
  const TlsFiles* tls_ = nullptr;
  std::list<Visitor*> due_;  // whose handshakes can go on; the next first
  ev_check shaking_;         // these two are active while there are such
  ev_idle keep_turning_;
};

}  // namespace dormouse
