// The app behind the gateway: plain HTTP requests, and upgrades that no route of a hub class takes, are
// passed on to the workers that run it, each on a connection of its own.
//
// A WebSocket never leads to a worker. The app is asked for the hub that it is to talk to, and the door opens
// it there: so it stays when the worker goes.
//
// On the loop's thread.
#pragma once

#include <ev.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "common/clock.h"
#include "common/http/front_door.h"
#include "common/http/http_reply.h"
#include "common/http/http_request.h"
#include "common/loop/loop_timers.h"
#include "common/tracing/tracer.h"
#include "gateway/edge/app/app_addresses.h"
#include "gateway/edge/app/app_heads.h"
#include "gateway/edge/app/exchange.h"
#include "gateway/edge/metrics/gateway_metrics.h"

namespace dormouse::edge {

class AppProxy : private Exchange::Owner {
 public:
  // Who opens WebSockets.
  class Door {
   public:
    virtual ~Door() = default;
    // As FrontDoor::Handler::OnRequest, of a request that was passed on before with PassOn: the app has said
    // what its socket is to be.
    virtual std::optional<HttpReply> OnAppSocket(const HttpRequest& request, const FrontDoor::Visit& visit,
                                                 const IpAddress& client, const AppSocket& socket) = 0;
  };
  struct Config {
    int64_t timeout_ms = 100'000;  // for which an exchange may stand still
    int64_t half_closed_ms = 10'000;
    int64_t connect_ms = 5'000;  // that a request waits for a worker that takes it, as while one starts again
  };

  // All outlive this. `tracer`: nullptr: nothing is traced.
  AppProxy(Config config, struct ev_loop* loop, FrontDoor* front_door, Door* door, GatewayMetrics* metrics,
           Tracer* tracer);

  void SetAddresses(std::vector<std::string> addresses) { addresses_.Set(std::move(addresses)); }
  void SetConnector(AppAddresses::Connector connector) { addresses_.set_connector(std::move(connector)); }
  // Whether there is an app at all, though perhaps none of its workers is there now.
  bool exists() const { return addresses_.any(); }
  // Requests under way.
  size_t size() const { return exchanges_.size(); }
  // Whether the app is about to say where a WebSocket leads. Looks at all of them.
  bool OpensSocket() const {
    return std::ranges::any_of(
        exchanges_, [](const auto& item) { return item.first->kind() == Exchange::Kind::kSocket; });
  }
  void set_timeout_ms(int64_t timeout_ms) { config_.timeout_ms = timeout_ms; }

  // As FrontDoor::Handler::OnRequest: the reply, or nothing, and the socket and the seat are taken.
  std::optional<HttpReply> PassOn(Exchange::Kind kind, const HttpRequest& request,
                                  const FrontDoor::Visit& visit, const IpAddress& client, bool by_proxy);
  // What is still under way then is broken off.
  void EndBy(int64_t deadline_ms);

 private:
  struct UnderWay {
    std::unique_ptr<Exchange> exchange;
    std::unique_ptr<OpenSpan> span;  // nullptr: it is not traced
  };

  void OnTimer(Exchange* exchange);
  // `failure`: what its span says, if it was not answered as it should have been.
  void Remove(Exchange* exchange, std::string_view failure = {});

  // Exchange::Owner
  void OnStatus(Exchange* exchange, int status) override;
  void OnAnswered(Exchange* exchange) override;
  void OnFailed(Exchange* exchange, AppFailure failure) override;
  void OnBroken(Exchange* exchange, AppFailure failure) override;
  void OnUnconnected(Exchange* exchange) override { timers_.Schedule(exchange, SteadyMs()); }
  bool OnSocketAnswer(Exchange* exchange, const HttpResponse& answer) override;

  Config config_;
  struct ev_loop* const loop_;
  FrontDoor* const front_door_;
  Door* const door_;
  GatewayMetrics* const metrics_;
  Tracer* const tracer_;
  AppAddresses addresses_;
  LoopTimers timers_;
  int64_t deadline_ms_ = 0;  // SteadyMs(); 0: none
  std::unordered_map<Exchange*, UnderWay> exchanges_;
};

}  // namespace dormouse::edge
