// The clients' port: accepts sockets, counts them by address, has their requests read (FrontDoor), answers
// those that open no WebSocket, and hands the others on.
//
// Who may come in is decided by address when a socket is accepted (or, behind trusted proxies, when its
// request has been read), and by origin and token before an upgrade is answered. On the loop's thread.
#pragma once

#include <ev.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "common/http/address_limit.h"
#include "common/http/front_door.h"
#include "common/http/listener.h"
#include "common/tracing/request_span.h"
#include "common/tracing/tracer.h"
#include "gateway/edge/app/app_proxy.h"
#include "gateway/edge/door/http_pages.h"
#include "gateway/edge/door/hub_view.h"
#include "gateway/edge/door/router.h"
#include "gateway/edge/door/trusted_proxies.h"
#include "gateway/edge/door/upgrade_policy.h"
#include "gateway/edge/fallback/fallback_room.h"
#include "gateway/edge/metrics/gateway_metrics.h"
#include "gateway/link/statekeeper_links.h"

namespace dormouse::edge {

class HttpServer : private FrontDoor::Handler, private AppProxy::Door, private FallbackRoom::Door {
 public:
  struct Config {
    std::string listen;             // HOST:PORT; empty: by TLS alone
    std::string tls_listen;         // the same for TLS; empty: nowhere
    const TlsFiles* tls = nullptr;  // the certificate for that; outlives the server
    std::string web_root;           // empty: no web client
    std::string shipped_web_root;   // for /dormouse/, where web_root has no such file
    int64_t handshake_timeout_ms = 5'000;
    UpgradePolicy::Config upgrades = {};
    TrustedProxies proxies = {};
    bool proxy_protocol = false;   // what they send begins with a PROXY header
    uint32_t max_connections = 0;  // 0: as many as there are descriptors
    uint32_t max_connections_per_address = 0;
    AppProxy::Config app = {};
    bool hub_view = false;  // whether it says how hubs live: hub_view.h
    FallbackRoom::Config fallback = {};
    Tracer* tracer = nullptr;  // outlives the server; nullptr: nothing is traced
  };
  // Who has the WebSockets.
  class Handler {
   public:
    virtual ~Handler() = default;
    // How many are open.
    virtual size_t connections() const = 0;
    // The socket and the seat are the handler's; or a reply, and they are not.
    virtual std::optional<HttpReply> OnUpgrade(Upgrade upgrade, const FrontDoor::Visit& visit) = 0;
  };

  // All outlive this.
  HttpServer(Config config, struct ev_loop* loop, const Router* router, Handler* handler,
             GatewayMetrics* metrics);

  // Listens; an empty string, or a sentence about what is wrong. `links` outlives this.
  std::string Start(StatekeeperLinks* links) {
    Prepare(links);
    return Listen();
  }
  // The same in two steps.
  void Prepare(StatekeeperLinks* links);
  std::string Listen();
  // At sockets that listen already, which it takes; -1: there is none.
  struct Sockets {
    int plain = -1;
    int tls = -1;
  };
  void Listen(const Sockets& sockets) {
    if (sockets.plain >= 0) listener_.Adopt(sockets.plain);
    if (sockets.tls >= 0) tls_listener_.Adopt(sockets.tls);
  }
  Sockets listening_sockets() const { return {listener_.fd(), tls_listener_.fd()}; }
  // Accepts nobody any more; who is on his way is told to go elsewhere. The app's answers may take the time
  // of `window_ms`.
  void Stop(int64_t window_ms);
  bool listening() const { return listener_.listening() || tls_listener_.listening(); }
  // 0: there is none.
  int port() const { return listener_.port(); }
  int tls_port() const { return tls_listener_.port(); }
  // Where the app is served: AppAddresses.
  void SetAppAddresses(std::vector<std::string> addresses) { app_.SetAddresses(std::move(addresses)); }
  size_t app_requests() const { return app_.size(); }
  bool app_opens_socket() const { return app_.OpensSocket(); }
  // Who is neither a WebSocket nor an app's request.
  size_t visitors() const { return front_door_.size() + (hub_view_.has_value() ? hub_view_->size() : 0); }

  // --- For this process's successor; as FrontDoor's.
  void ForEachWaiting(const std::function<void(const FrontDoor::Waiting&)>& visit) {
    front_door_.ForEachWaiting(visit);
  }
  size_t waiting() {
    size_t count = 0;
    front_door_.ForEachWaiting([&count](const FrontDoor::Waiting&) { ++count; });
    return count;
  }
  void ForgetWaiting() { front_door_.ForgetWaiting(); }
  void RestoreWaiting(const FrontDoor::Waiting& waiting) { front_door_.Restore(waiting); }
  AddressLimit::Seat TakeSeatAgain(uint64_t key) { return address_limit_.TakeAgain(key); }
  // Takes over what may change: all but where it listens, its files, tokens, and how proxies speak.
  void Change(const Config& changed);

 private:
  bool OnAccept(int fd, const IpAddress& peer, bool crowded, bool tls);  // as Listener::Accept
  void Admit(int fd, const IpAddress& peer, FrontDoor::Arrival how);
  std::optional<HttpReply> TakeSeat(const IpAddress& client, AddressLimit::Seat* seat);
  std::optional<HttpReply> OnUpgrade(const HttpRequest& request, const FrontDoor::Visit& visit,
                                     const IpAddress& client);
  std::optional<HttpReply> OnAppRequest(const HttpRequest& request, const FrontDoor::Visit& visit,
                                        const IpAddress& client);
  // How it stands for one more; `app_requests`: those under way besides.
  UpgradePolicy::State StateFor(const FrontDoor::Visit& visit, size_t app_requests) const;
  HttpReply Refused(UpgradeRefusal refusal);
  std::optional<HttpReply> Open(std::variant<Upgrade, UpgradeRefusal> judged, const FrontDoor::Visit& visit,
                                RequestSpan* span);

  // AppProxy::Door
  std::optional<HttpReply> OnAppSocket(const HttpRequest& request, const FrontDoor::Visit& visit,
                                       const IpAddress& client, const AppSocket& socket) override;
  // FallbackRoom::Door
  bool AdmitsOrigin(const HttpRequest& request) const override { return policy_.AdmitsOrigin(request); }
  void Enter(int fd, const IpAddress& peer, bool crowded) override;
  void Arrive(int fd, const IpAddress& peer, std::string_view bytes) override;
  void Readmit(ClientSocket socket, const IpAddress& peer, std::string_view rest) override;
  // FrontDoor::Handler
  std::optional<HttpReply> OnRequest(const HttpRequest& request, const FrontDoor::Visit& visit) override;
  std::optional<HttpReply> OnProxied(const IpAddress& client, AddressLimit::Seat* seat) override;
  void OnVisitors(size_t count) override { metrics_->half_open->Set(static_cast<double>(count)); }
  void OnBadProxyHeader() override { metrics_->Refused(RefusalCause::kProxyHeader); }
  void OnCutOff() override { metrics_->handshake_timeouts->Increment(); }
  void OnAnswered(int status) override { metrics_->HttpResponse(status); }
  void OnTls(bool resumed) override;
  void ShowExpiry();
  void OnTlsFailed(const IpAddress& peer, const std::string& why) override;

  Config config_;
  struct ev_loop* const loop_;
  const Router* const router_;
  Handler* const handler_;
  GatewayMetrics* const metrics_;
  bool stopping_ = false;
  HttpPages pages_;
  UpgradePolicy policy_;
  AddressLimit address_limit_;
  Listener listener_;
  Listener tls_listener_;
  FrontDoor front_door_;
  AppProxy app_;
  FallbackRoom fallback_;
  std::optional<HubView> hub_view_;  // where it is wanted, from Start on
};

}  // namespace dormouse::edge
