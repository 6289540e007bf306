// The gateway's edge: clients' sockets on one side, the statekeepers' links on the other, everything in
// between.
//
//   Listener -> FrontDoor -> (Router) -> WebSockets -> Inbound -> StatekeeperLinks
//   StatekeeperLinks -> Outbound -> WebSockets
//
// Who may come in is decided at the door: by address when a socket is accepted (or, behind trusted proxies,
// when its request has been read), by origin and token before an upgrade is answered.
//
// One thread, the loop's. No work, lock or allocation grows with the number of idle connections: each has a
// place in a timer wheel, where it is looked at once per idle timeout.
#pragma once

#include <ev.h>

#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "common/auth/token_authority.h"
#include "common/freed_memory.h"
#include "common/http/address_limit.h"
#include "common/http/admin_server.h"
#include "common/http/front_door.h"
#include "common/http/listener.h"
#include "common/loop/loop_timers.h"
#include "gateway/edge/buffers/partial_message.h"
#include "gateway/edge/door/hub_view.h"
#include "gateway/edge/door/origin_list.h"
#include "gateway/edge/door/router.h"
#include "gateway/edge/door/static_files.h"
#include "gateway/edge/door/trusted_proxies.h"
#include "gateway/edge/hubs/event_writer.h"
#include "gateway/edge/hubs/hub_sockets.h"
#include "gateway/edge/inbound/inbound.h"
#include "gateway/edge/metrics/gateway_metrics.h"
#include "gateway/edge/outbound/outbound.h"
#include "gateway/edge/sockets/connection_table.h"
#include "gateway/edge/sockets/web_sockets.h"
#include "gateway/link/statekeeper_links.h"

namespace dormouse::edge {

class EdgeServer : public StatekeeperLinks::Edge, private FrontDoor::Handler, private WebSockets::Handler {
 public:
  struct Config {
    GatewayId gateway = 0;
    std::string listen;            // HOST:PORT
    std::string web_root;          // empty: no web client
    std::string shipped_web_root;  // for /dormouse/, where web_root has no such file
    int64_t drain_window_ms = 10'000;
    int64_t handshake_timeout_ms = 5'000;
    int64_t close_timeout_ms =
        5'000;  // for a client to answer a close frame, or to take what comes before it
    int64_t settle_timeout_ms = 5'000;  // at the end of a drain, for the last events to be settled

    // Who may come in.
    const TokenAuthority* tokens = nullptr;  // nullptr: upgrades need no token; else outlives the server
    OriginList origins = {};
    TrustedProxies proxies = {};
    bool proxy_protocol = false;   // what they send begins with a PROXY header
    uint32_t max_connections = 0;  // 0: as many as there are descriptors
    uint32_t max_connections_per_address = 0;
    uint64_t inbound_buffer = 256u << 20;   // bytes for messages that have come in part
    uint64_t outbound_buffer = 256u << 20;  // bytes for what waits for sockets
    uint32_t connection_window = 64;        // messages of one socket that its hub has not dealt with
    bool compression = false;               // whether messages may be compressed: frames/deflate_offer.h
    bool hub_view = false;                  // whether it says how hubs live: hub_view.h
  };

  // `loop` and `metrics` outlive this. The links need an Edge to be made, so they come with Start.
  EdgeServer(Config config, struct ev_loop* loop, GatewayMetrics* metrics);
  ~EdgeServer() override;

  // Listens; an empty string, or a sentence about what is wrong. `links` outlives the last turn of the loop.
  // Until the links have brought the hub classes' profiles, upgrades are answered with 503.
  std::string Start(StatekeeperLinks* links);
  int port() const { return listener_.port(); }

  // Stops accepting and closes all sockets (1001) at random times within the drain window; `done` is called
  // once all are closed and their hubs have settled that, or have had time enough. A second call closes all
  // at once.
  void Drain(std::function<void()> done);

  // Takes over what of a configuration may change while sockets are open: who may come in, the limits, the
  // drain window and compression. Sockets that are open stay, and are compressed as they were.
  void Change(const Config& changed);

  // From any thread.
  AdminServer::Readiness readiness() const;

  // StatekeeperLinks::Edge
  void OnDelivery(const DeliveryView& delivery) override;
  void OnProfiles(const std::vector<link::ClassProfile>& profiles, uint32_t shard_count) override;
  void OnUncongested() override;
  void OnSettled(const EventView& event) override;
  void OnUnreadable(const EventView& event) override;
  void OnForgotten(const std::vector<bool>& by_shard) override;

 private:
  bool OnAccept(int fd, const IpAddress& peer, bool crowded);  // as Listener::Accept

  // FrontDoor::Handler
  std::optional<HttpReply> OnRequest(const HttpRequest& request, const FrontDoor::Visit& visit) override;
  void OnVisitors(size_t count) override { metrics_->half_open->Set(static_cast<double>(count)); }
  std::optional<HttpReply> OnProxied(const IpAddress& client, AddressLimit::Seat* seat) override;
  void OnBadProxyHeader() override { metrics_->Refused(RefusalCause::kProxyHeader); }
  void OnCutOff() override { metrics_->handshake_timeouts->Increment(); }
  void OnAnswered(int status) override { metrics_->HttpResponse(status); }
  std::optional<HttpReply> OnUpgrade(const HttpRequest& request, const FrontDoor::Visit& visit,
                                     const IpAddress& client);
  std::optional<HttpReply> TakeSeat(const IpAddress& client, AddressLimit::Seat* seat);
  HttpReply Options(const HttpRequest& request);
  HttpReply OnPlainRequest(const HttpRequest& request);
  HttpReply NotFound(std::string_view path) const;

  // WebSockets::Handler
  void OnOpen(Connection* connection) override;
  void OnPiece(Connection* connection, const FrameReader::Step& piece) override;
  void OnPing(Connection* connection, std::string_view payload) override;
  void OnPong(Connection* connection, std::string_view payload) override;
  void OnPeerClose(Connection* connection, uint16_t code, std::string_view reason) override;
  void OnProtocolError(Connection* connection, uint16_t code, std::string_view what) override;
  void OnWritable(Connection* connection) override;
  void OnGone(Connection* connection) override;

  void OnTimer(Connection* connection);
  void CheckDeadlines(Connection* connection);
  bool IsAdmittedInTime(Connection* connection, int64_t now, int64_t* look_again);
  bool IsHeardInTime(Connection* connection, int64_t now, int64_t* look_again);
  void OnTurnEnd();
  bool IsReady() const;
  void UpdateReadiness();
  void FinishDrain();

  Config config_;
  struct ev_loop* loop_;
  GatewayMetrics* metrics_;
  StatekeeperLinks* links_ = nullptr;

  Router router_;
  StaticFiles files_;
  AddressLimit address_limit_;
  PartialBudget partials_;
  OutboundBudget waiting_;
  TrimAfterFlood trim_;
  ConnectionTable table_;
  HubSockets of_hubs_;
  LoopTimers timers_;
  WebSockets sockets_;
  Listener listener_;
  FrontDoor front_door_;
  std::optional<EventWriter> events_;  // from Start on, as what follows
  std::optional<Outbound> outbound_;
  std::optional<Inbound> inbound_;
  std::optional<HubView> hub_view_;  // where it is wanted
  std::string opening_;              // OpenRequest of the upgrade under way

  ev_prepare turn_end_;
  ev_idle more_to_do_;  // active: the next turn does not wait for events
  ev_timer settle_timer_;
  bool draining_ = false;
  std::function<void()> drained_;
  std::mt19937_64 random_;

  bool ready_ = false;
  mutable std::mutex readiness_mutex_;
  AdminServer::Readiness readiness_;  // what the admin port's threads see
};

}  // namespace dormouse::edge
