// Clients whose network lets no WebSocket through: Server-Sent Events or long polling downwards, POSTs
// upwards, at addresses of their own beneath each path of a WebSocket:
//
//   POST   /ws/kitchen/@fallback                       opens a connection, as an upgrade would; says its id
//   GET    /ws/kitchen/@fallback/events?id=ID          an event stream; Last-Event-ID, or after=N: goes on there
//   GET    /ws/kitchen/@fallback/poll?id=ID&after=N    the same events, as many as there are, or the first to come
//   POST   /ws/kitchen/@fallback/send?id=ID&from=N     messages; after=N: what came up to there has arrived
//   POST   /ws/kitchen/@fallback/close?id=ID&code=C    the end
//
// A connection (fallback_connection.h) is a WebSocket between two ends in this process, and hubs cannot tell
// it from another; responses may be cut as they like, as long as the client comes back within the window.
// clients/fallback.md is the protocol, for clients.
//
// What they cost is bounded: connections (each takes four descriptors at most: a pair, and two requests at a
// time, of which the later takes the place of the earlier), what is kept for all of them, and the time that a
// request may stand still. On the loop's thread.
#pragma once

#include <ev.h>

#include <cstdint>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "common/http/front_door.h"
#include "common/http/http_date.h"
#include "common/http/http_reply.h"
#include "common/http/http_request.h"
#include "common/loop/loop_timers.h"
#include "gateway/edge/fallback/fallback_connection.h"
#include "gateway/edge/fallback/fallback_request.h"
#include "gateway/edge/fallback/open_heads.h"
#include "gateway/edge/fallback/siblings.h"
#include "gateway/edge/metrics/gateway_metrics.h"

namespace dormouse::edge {

class FallbackRoom : private FallbackConnection::Owner, private FallbackRequest::Owner {
 public:
  struct Config {
    bool is_on = true;
    int64_t window_ms = 15'000;     // for a client without a request to come back
    int64_t heartbeat_ms = 15'000;  // between comments in a silent stream
    int64_t wait_ms = 25'000;       // that a poll waits for an event
    uint64_t buffer = 64u << 20;    // bytes of events that clients have not confirmed, of all connections
    size_t max_connections = 0;     // 0: an eighth of the descriptors
  };
  // Who lets clients in.
  class Door {
   public:
    virtual ~Door() = default;
    // Whether pages of the request's origin may open sockets.
    virtual bool AdmitsOrigin(const HttpRequest& request) const = 0;
    // A socket that is to be taken for one that `peer` has just opened.
    virtual void Enter(int fd, const IpAddress& peer, bool crowded) = 0;
    // One that another gateway has accepted, with what it has read.
    virtual void Arrive(int fd, const IpAddress& peer, std::string_view bytes) = 0;
    // One that has been answered, and may send another request; `rest`: what it has sent already.
    virtual void Readmit(ClientSocket socket, const IpAddress& peer, std::string_view rest) = 0;
  };

  // All outlive this.
  FallbackRoom(Config config, struct ev_loop* loop, FrontDoor* front_door, Door* door,
               GatewayMetrics* metrics);
  ~FallbackRoom();
  FallbackRoom(const FallbackRoom&) = delete;
  FallbackRoom& operator=(const FallbackRoom&) = delete;

  // Of what may change: the times and the buffer.
  void Change(const Config& changed);

  bool Concerns(const HttpRequest& request) const {
    return config_.is_on && ReadFallbackTarget(request.path).has_value();
  }
  // As FrontDoor::Handler::OnRequest: the reply, or nothing, and the socket and the seat are taken.
  std::optional<HttpReply> OnRequest(const HttpRequest& request, const FrontDoor::Visit& visit);
  size_t size() const { return connections_.size(); }

 private:
  // --- FallbackRequest::Owner
  void OnBegin(FallbackRequest* request) override;
  void OnBody(FallbackRequest* request) override;
  void OnWritten(FallbackRequest* request) override;
  void OnFinished(FallbackRequest* request) override;
  void OnLeft(FallbackRequest* request) override;
  // --- FallbackConnection::Owner
  void OnUpgradeAnswered(FallbackConnection* connection) override;
  void OnOutput(FallbackConnection* connection) override;
  void OnInputForwarded(FallbackConnection* connection) override;

  void Open(FallbackRequest* request);
  void Fetch(FallbackRequest* request);
  void StartSending(FallbackRequest* request);
  void GoOnSending(FallbackRequest* request);
  void Close(FallbackRequest* request);
  // nullptr: it has been answered.
  FallbackConnection* Find(FallbackRequest* request);
  // What the client says to have; false: it cannot be, or the connection is over with it, and the request has
  // been answered.
  bool Confirm(FallbackConnection* connection, FallbackRequest* request);

  // What is there, to the request that fetches it.
  void Feed(FallbackConnection* connection);
  void AnswerPoll(FallbackConnection* connection);
  void EndOutput(FallbackConnection* connection, std::string_view why);
  // The request does not concern its connection any more.
  void Detach(FallbackRequest* request);
  void Answer(FallbackRequest* request, int status, std::string_view body);
  void AnswerReceived(FallbackRequest* request, int status, uint64_t received);

  bool MakeRoom();
  void EvictCostliest();
  void Lose(FallbackConnection* connection);
  void Forget(FallbackConnection* connection);  // by its id
  void Remove(FallbackConnection* connection);
  void Remove(FallbackRequest* request);
  void OnRequestTimer(FallbackRequest* request);
  void OnConnectionTimer(FallbackConnection* connection);
  void UpdateMetrics();

  Config config_;
  struct ev_loop* const loop_;
  FrontDoor* const front_door_;
  Door* const door_;
  GatewayMetrics* const metrics_;
  HttpDate date_;
  const std::unique_ptr<char[]> buffer_;
  uint64_t held_bytes_ = 0;
  LoopTimers request_timers_;
  LoopTimers connection_timers_;
  std::unordered_map<FallbackConnection*, std::unique_ptr<FallbackConnection>> connections_;
  std::unordered_map<std::string_view, FallbackConnection*> by_id_;
  const std::unique_ptr<Siblings> siblings_;  // nullptr: there is no such room
  std::list<FallbackConnection*> unfetched_;  // the oldest first
  std::unordered_map<FallbackRequest*, std::unique_ptr<FallbackRequest>> requests_;
  size_t streams_ = 0;
  size_t polls_ = 0;
};

}  // namespace dormouse::edge
