// Visitors that are not WebSockets yet: reads the head of one HTTP request from each socket, in bounded time
// and memory, and then either answers and closes, or gives the socket away to be upgraded.
//
// A visitor that says nothing costs a descriptor and a small record until its deadline; ten thousand of them
// are nothing to anybody else. Answers always close the connection: a client's next request comes with a new
// one, so every upgrade passes this door.
//
// On the loop's thread.
#pragma once

#include <ev.h>

#include <list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gateway/edge/gateway_metrics.h"
#include "gateway/edge/http_request.h"
#include "gateway/edge/loop_timers.h"

namespace dormouse {

struct HttpReply {
  int status = 200;
  std::string content_type = "text/plain; charset=utf-8";
  std::string body = {};
  std::vector<std::pair<std::string, std::string>> headers = {};
};

class FrontDoor {
 public:
  struct Visit {
    int fd;
    std::string remote_address;
    bool crowded;           // few descriptors are left
    std::string_view rest;  // what the client sent after the head
  };
  class Handler {
   public:
    virtual ~Handler() = default;
    // The reply, or nothing if the handler took visit.fd.
    virtual std::optional<HttpReply> OnRequest(const HttpRequest& request, const Visit& visit) = 0;
  };
  struct Limits {
    int64_t deadline_ms = 5'000;  // for the whole request; then anew for each piece of the answer
    size_t max_head = 16'384;
  };

  FrontDoor(struct ev_loop* loop, Limits limits, Handler* handler, GatewayMetrics* metrics);
  ~FrontDoor();
  FrontDoor(const FrontDoor&) = delete;
  FrontDoor& operator=(const FrontDoor&) = delete;

  void Admit(int fd, std::string remote_address, bool crowded);
  size_t size() const { return visitors_.size(); }

 private:
  struct Visitor : TimerNode {  // its deadline
    enum class State { kReading, kWriting, kLingering };
    FrontDoor* door = nullptr;
    std::list<Visitor>::iterator self;
    int fd = -1;
    ev_io io;
    State state = State::kReading;
    bool crowded = false;
    std::string remote_address;
    std::string bytes;  // what was read, then what is to be written
    size_t written = 0;
  };

  void OnIo(Visitor* visitor);
  void Read(Visitor* visitor);
  void Answer(Visitor* visitor, const HttpReply& reply, bool with_body);
  void Write(Visitor* visitor);
  void Linger(Visitor* visitor);
  void Watch(Visitor* visitor, int events);
  void Remove(Visitor* visitor, bool close_fd);
  void PostponeDeadline(Visitor* visitor);

  struct ev_loop* loop_;
  const Limits limits_;
  Handler* handler_;
  GatewayMetrics* metrics_;
  LoopTimers timers_;
  std::list<Visitor> visitors_;
};

}  // namespace dormouse
