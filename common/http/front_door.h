// Visitors with an HTTP request: reads the head of one request from each socket, in bounded time and memory,
// and then either answers and closes, or gives the socket away to be upgraded.
//
// A visitor that says nothing costs a descriptor and a small record until its deadline, or until so many have
// come after it that its place is needed; ten thousand of them are nothing to anybody else, for nobody waits
// for another here. Answers of the door close the connection. Who takes a socket may answer otherwise, and give it
// back: its next request passes this door as the first did.
//
// On the loop's thread.
#pragma once

#include <ev.h>

#include <list>
#include <optional>
#include <string>
#include <string_view>

#include "common/http/address_limit.h"
#include "common/http/http_date.h"
#include "common/http/http_reply.h"
#include "common/http/http_request.h"
#include "common/http/ip_address.h"
#include "common/loop/loop_timers.h"

namespace dormouse {

class FrontDoor {
 public:
  struct Visit {
    int fd;
    const IpAddress& peer;
    AddressLimit::Seat* seat;  // the visitor's; goes with the socket
    bool crowded;              // few descriptors are left
    std::string_view head;     // the request's, as the client sent it
    std::string_view rest;     // what it sent after that
  };
  class Handler {
   public:
    virtual ~Handler() = default;
    // The reply, or nothing if the handler took visit.fd.
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
  };
  struct Limits {
    int64_t deadline_ms = 5'000;  // for the whole request; then anew for each piece of the answer
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
  };
  // `seat` is given back when the visitor goes.
  void Admit(int fd, const IpAddress& peer, AddressLimit::Seat seat, Arrival how);
  // Answers without hearing the visitor. Of those only so many may take their time to read it: the rest is
  // turned away without a word.
  void TurnAway(int fd, const HttpReply& reply);
  // Answers one whose socket its handler took (Handler::OnRequest) to find out what to say.
  void Finish(int fd, AddressLimit::Seat seat, const HttpReply& reply, bool with_body = true);
  // Takes one back who has been answered by somebody else who had taken the socket: the next request may come.
  // `rest`: what it has sent already.
  void Readmit(int fd, const IpAddress& peer, AddressLimit::Seat seat, std::string_view rest);
  // Sees one out who has been answered by somebody else who had taken the socket.
  void SeeOut(int fd, AddressLimit::Seat seat);
  // For who comes from now on.
  void set_deadline_ms(int64_t deadline_ms) { limits_.deadline_ms = deadline_ms; }
  size_t size() const { return visitors_.size(); }

 private:
  struct Visitor : TimerNode {  // its deadline
    enum class State { kReading, kWriting, kLingering };
    FrontDoor* door = nullptr;
    std::list<Visitor>::iterator self;
    int fd = -1;
    ev_io io;
    State state = State::kReading;
    Arrival how;
    bool turned_away = false;
    bool was_answered = false;  // once already
    IpAddress peer;
    AddressLimit::Seat seat;
    std::string bytes;     // what was read, then what is to be written
    size_t looked_at = 0;  // of what was read, for the head's end
    size_t written = 0;
  };

  Visitor* Add(int fd);
  void OnIo(Visitor* visitor);
  void Read(Visitor* visitor);
  bool TakeProxyHeader(Visitor* visitor);
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
};

}  // namespace dormouse
