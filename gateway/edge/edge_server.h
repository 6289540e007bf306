// The gateway's edge: clients' sockets on one side, the statekeepers' links on the other, and the rooms
// between them. Here they are put together, and told of what concerns more than one of them.
//
//   Listener -> FrontDoor -> HttpServer -> (a WebSocket is opened)
//   WebSockets -> Inbound -> StatekeeperLinks
//   StatekeeperLinks -> Outbound -> WebSockets
//
// One thread, the loop's. No work, lock or allocation grows with the number of idle connections: each has a
// place in a timer wheel (ConnectionTimers), where it is looked at once per idle timeout.
#pragma once

#include <ev.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "common/http/admin_server.h"
#include "common/loop/loop_timers.h"
#include "common/loop/trim_after_flood.h"
#include "gateway/edge/buffers/outbound_budget.h"
#include "gateway/edge/buffers/partial_message.h"
#include "gateway/edge/connection_timers.h"
#include "gateway/edge/door/http_server.h"
#include "gateway/edge/door/router.h"
#include "gateway/edge/edge_state.h"
#include "gateway/edge/hubs/event_writer.h"
#include "gateway/edge/hubs/hub_sockets.h"
#include "gateway/edge/hubs/roll_call.h"
#include "gateway/edge/inbound/inbound.h"
#include "gateway/edge/metrics/gateway_metrics.h"
#include "gateway/edge/outbound/outbound_path.h"
#include "gateway/edge/readiness_report.h"
#include "gateway/edge/rules/socket_answers.h"
#include "gateway/edge/socket_drain.h"
#include "gateway/edge/sockets/connection_table.h"
#include "gateway/edge/sockets/web_sockets.h"
#include "gateway/link/statekeeper_links.h"

namespace dormouse::edge {

class EdgeServer : public StatekeeperLinks::Edge, private HttpServer::Handler, private WebSockets::Owner {
 public:
  struct Config {
    GatewayId gateway = 0;
    HttpServer::Config http = {};  // who may come in, and where
    int64_t drain_window_ms = 10'000;
    // For a client to answer a close frame, or to take what comes before it.
    int64_t close_timeout_ms = 5'000;
    int64_t settle_timeout_ms = 5'000;      // at the end of a drain, for the last events to be settled
    uint64_t inbound_buffer = 256u << 20;   // bytes for messages that have come in part
    uint64_t outbound_buffer = 256u << 20;  // bytes for what waits for sockets
    uint32_t connection_window = 64;        // messages of one socket that its hub has not dealt with
  };

  // `loop` and `metrics` outlive this. The links need an Edge to be made, so they come with Start.
  EdgeServer(Config config, struct ev_loop* loop, GatewayMetrics* metrics);
  ~EdgeServer() override;

  // Listens; an empty string, or a sentence about what is wrong. `links` outlives the last turn of the loop.
  // Until the links have brought the hub classes' profiles, upgrades are answered with 503.
  std::string Start(StatekeeperLinks* links);
  // The same in steps, for a gateway that takes over from another: what it can do before, and then listening at a
  // socket that listens already, which it takes.
  void Prepare(StatekeeperLinks* links);
  void Listen(const HttpServer::Sockets& sockets);
  HttpServer::Sockets listening_sockets() const { return http_.listening_sockets(); }
  int port() const { return http_.port(); }
  int tls_port() const { return http_.tls_port(); }

  // Stops accepting and closes all sockets within the drain window (SocketDrain); `done` is called once that
  // is over. A second call closes all at once.
  void Drain(std::function<void()> done);

  // --- For this process's successor (gateway/takeover/).
  // Why nothing can be handed over now, a sentence. Empty: it can.
  std::string WhyNotHandedOver() const;
  // Whether nothing is on its way that would be lost with this process, and is soon over: a WebSocket that the app
  // is to open, and those that cannot move (Connection::CanMove), which are closed, 1001.
  bool Settle();
  uint64_t descriptors() const { return table_.size() + http_.visitors() + 1; }
  size_t connections() const override { return table_.size(); }
  size_t movable_connections();  // that are saved
  uint64_t table_key() const { return table_.key(); }
  // At the end of a turn.
  void Save(takeover::StateWriter* writer);
  size_t waiting_visitors() { return http_.waiting(); }  // that are saved, too
  // Somebody else serves the sockets and the port: forgets them, closing nothing but this process's descriptors.
  // Visitors who are answered already and requests to the app go on here for so long; then `done`.
  void Leave(int64_t window_ms, std::function<void()> done);
  // In its place, after Prepare and before anything else: as EdgeState's.
  void RestoreTableKey(uint64_t key) { table_.Restore(key); }
  bool Restore(const takeover::Item& item, takeover::StateReader* reader) {
    return state_.Restore(item, reader);
  }
  void FinishRestoring() { state_.Finish(); }
  uint64_t restored_visitors() const { return state_.visitors(); }
  bool has_profiles() const { return router_.has_profiles(); }

  // Takes over what of a configuration may change while sockets are open: who may come in, the limits, the
  // drain window and compression. Sockets that are open stay, and are compressed as they were.
  void Change(const Config& changed);

  // From any thread.
  AdminServer::Readiness readiness() const { return readiness_.Get(); }

  // StatekeeperLinks::Edge
  void OnDelivery(const DeliveryView& delivery) override;
  std::vector<int64_t> AnswerTimes(const DeliveryView& question) override;
  void OnProfiles(const std::vector<link::ClassProfile>& profiles, uint32_t shard_count) override;
  void OnUncongested() override { inbound_.OnUncongested(); }
  void OnSettled(const EventView& event) override { inbound_.OnSettled(event); }
  void OnUnreadable(const EventView& event) override;
  void OnAppAddresses(const std::vector<std::string>& addresses) override {
    http_.SetAppAddresses(addresses);
  }
  void OnForgotten(const std::vector<bool>& by_shard) override { roll_call_.AskFor(by_shard); }

 private:
  // HttpServer::Handler
  std::optional<HttpReply> OnUpgrade(Upgrade upgrade, const FrontDoor::Visit& visit) override;

  // WebSockets::Owner
  void OnGone(Connection* connection) override;

  void SetAnswers(const DeliveryView& delivery);
  void OnTurnEnd();
  void UpdateMetrics();
  bool has_left() const { return leave_by_ms_ != 0; }
  void LookWhetherLeft();
  bool IsReady() const;
  void UpdateReadiness();

  int64_t drain_window_ms_;
  struct ev_loop* const loop_;
  GatewayMetrics* const metrics_;
  StatekeeperLinks* links_ = nullptr;

  // Connections have a part of these.
  PartialBudget partial_budget_;
  OutboundBudget outbound_budget_;
  SocketAnswers answers_;
  Router router_;
  HttpServer http_;

  ConnectionTable table_;
  HubSockets hub_sockets_;

  LoopTimers wheel_;
  WebSockets sockets_;
  EventWriter events_;
  RollCall roll_call_;
  OutboundPath out_;
  Inbound inbound_;
  ConnectionTimers timers_;
  SocketDrain drain_;
  EdgeState state_;
  ReadinessReport readiness_;
  TrimAfterFlood trim_;

  ev_prepare turn_end_;
  ev_idle more_to_do_;  // active: the next turn does not wait for events
  bool ready_ = false;
  std::function<void()> left_;  // once this has left: what is to be called in the end
  int64_t leave_by_ms_ = 0;     // SteadyMs()
  ev_timer leave_look_;
};

}  // namespace dormouse::edge
