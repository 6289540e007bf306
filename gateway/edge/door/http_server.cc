#include "gateway/edge/door/http_server.h"

#include <sys/resource.h>

#include <algorithm>
#include <utility>

#include "common/clock.h"
#include "common/logging.h"
#include "gateway/edge/door/replies.h"

namespace dormouse::edge {
namespace {

// Those whose request has not come yet leave most descriptors to those who have come in.
size_t MaxVisitors() {
  rlimit descriptors{};
  getrlimit(RLIMIT_NOFILE, &descriptors);
  return std::max<size_t>(64, std::min<rlim_t>(descriptors.rlim_cur, 1 << 20) / 4);
}

}  // namespace

HttpServer::HttpServer(Config config, struct ev_loop* loop, const Router* router, Handler* handler,
                       GatewayMetrics* metrics)
    : config_(std::move(config)),
      loop_(loop),
      router_(router),
      handler_(handler),
      metrics_(metrics),
      pages_(config_.web_root, config_.shipped_web_root, router),
      policy_(router, config_.upgrades),
      address_limit_(config_.max_connections_per_address),
      listener_(loop, [this](int fd, const IpAddress& peer,
                             bool crowded) { return OnAccept(fd, peer, crowded, false); }),
      tls_listener_(loop, [this](int fd, const IpAddress& peer,
                                 bool crowded) { return OnAccept(fd, peer, crowded, true); }),
      front_door_(loop, {.deadline_ms = config_.handshake_timeout_ms, .max_visitors = MaxVisitors()}, this),
      app_(config_.app, loop, &front_door_, this, metrics, config_.tracer),
      fallback_(config_.fallback, loop, &front_door_, this, metrics) {}

void HttpServer::Prepare(StatekeeperLinks* links) {
  if (config_.hub_view) {
    hub_view_.emplace(loop_, &front_door_, router_, links, config_.upgrades.tokens, config_.upgrades.origins);
  }
  app_.SetConnector([links](const std::string& address) { return links->ConnectToApp(address); });
  front_door_.set_tls(config_.tls);
  if (config_.tls != nullptr) ShowExpiry();
}

std::string HttpServer::Listen() {
  std::string wrong;
  if (!config_.listen.empty())
    wrong = listener_.Listen(config_.listen, Listener::Sharing::kShared, "--listen");
  if (wrong.empty() && !config_.tls_listen.empty())
    wrong = tls_listener_.Listen(config_.tls_listen, Listener::Sharing::kShared, "--tls-listen");
  return wrong;
}

void HttpServer::Stop(int64_t window_ms) {
  stopping_ = true;
  listener_.Stop();
  tls_listener_.Stop();
  app_.EndBy(SteadyMs() + window_ms);
}

void HttpServer::Change(const Config& changed) {
  config_.proxies = changed.proxies;
  config_.max_connections = changed.max_connections;
  policy_.Change(changed.upgrades);
  app_.set_timeout_ms(changed.app.timeout_ms);
  fallback_.Change(changed.fallback);
  address_limit_.set_limit(changed.max_connections_per_address);
  front_door_.set_deadline_ms(changed.handshake_timeout_ms);
  if (hub_view_.has_value()) hub_view_->set_origins(changed.upgrades.origins);
}

bool HttpServer::OnAccept(int fd, const IpAddress& peer, bool crowded, bool tls) {
  if (crowded) metrics_->accepts_crowded->Increment();
  const bool from_proxy = config_.proxies.Contains(peer);
  Admit(fd, peer, {.crowded = crowded, .proxied = from_proxy && config_.proxy_protocol, .tls = tls});
  return !crowded;
}

void HttpServer::Admit(int fd, const IpAddress& peer, FrontDoor::Arrival how) {
  AddressLimit::Seat seat;
  if (const auto refusal = OnProxied(peer, &seat)) {
    front_door_.TurnAway(fd, *refusal, how.tls);
  } else {
    front_door_.Admit(fd, peer, std::move(seat), how);
  }
}

void HttpServer::Enter(int fd, const IpAddress& peer, bool crowded) {
  Admit(fd, peer, {.crowded = crowded, .is_pair = true});
}

void HttpServer::Arrive(int fd, const IpAddress& peer, std::string_view bytes) {
  AddressLimit::Seat seat;
  if (const auto refusal = OnProxied(peer, &seat)) return front_door_.TurnAway(fd, *refusal, false);
  front_door_.Readmit({.fd = fd, .seat = std::move(seat), .tls = nullptr}, peer, bytes);
}

// A proxy's next request may be for another client.
void HttpServer::Readmit(ClientSocket socket, const IpAddress& peer, std::string_view rest) {
  if (config_.proxies.Contains(peer)) socket.seat = {};
  front_door_.Readmit(std::move(socket), peer, rest);
}

void HttpServer::OnTls(bool resumed) {
  metrics_->tls_handshakes->Increment();
  if (resumed) metrics_->tls_resumptions->Increment();
  ShowExpiry();
}

void HttpServer::ShowExpiry() {
  metrics_->tls_certificate_expiry->Set(static_cast<double>(config_.tls->Current()->expires_ms()) / 1000);
}

void HttpServer::OnTlsFailed(const IpAddress& peer, const std::string& why) {
  metrics_->tls_failures->Increment();
  SPDLOG_DEBUG("no TLS with {}: {}", peer.ToString(), why);
}

// The refusal where the client has as many as it may.
std::optional<HttpReply> HttpServer::TakeSeat(const IpAddress& client, AddressLimit::Seat* seat) {
  auto taken = address_limit_.Take(client);
  if (taken.has_value()) {
    *seat = std::move(*taken);
    return std::nullopt;
  }
  metrics_->Refused(RefusalCause::kAddressLimit);
  return Refusal(429,
                 "Your address has as many connections here as one address may have; close some first.\n");
}

// Behind it may be a second proxy of ours: then it is counted once its request says for whom.
std::optional<HttpReply> HttpServer::OnProxied(const IpAddress& client, AddressLimit::Seat* seat) {
  return config_.proxies.Contains(client) ? std::nullopt : TakeSeat(client, seat);
}

std::optional<HttpReply> HttpServer::OnRequest(const HttpRequest& request, const FrontDoor::Visit& visit) {
  IpAddress client = visit.peer;
  if (config_.proxies.Contains(client)) {
    client = config_.proxies.ClientOf(client, request);
    if (auto refusal = TakeSeat(client, &visit.socket->seat)) return refusal;
  }
  if (fallback_.Concerns(request)) return fallback_.OnRequest(request, visit);
  if (hub_view_.has_value() && HubView::Concerns(request)) return hub_view_->OnRequest(request, visit);
  if (HttpPages::WantsWebSocket(request)) return OnUpgrade(request, visit, client);
  if (app_.exists() && !pages_.IsNotForApp(request)) return OnAppRequest(request, visit, client);
  return pages_.Answer(request);
}

UpgradePolicy::State HttpServer::StateFor(const FrontDoor::Visit& visit, size_t app_requests) const {
  const size_t held = handler_->connections() + app_requests;
  return {.is_stopping = stopping_,
          .is_full = visit.crowded || (config_.max_connections != 0 && held >= config_.max_connections)};
}

HttpReply HttpServer::Refused(UpgradeRefusal refusal) {
  if (refusal.cause.has_value()) metrics_->Refused(*refusal.cause);
  return std::move(refusal.reply);
}

std::optional<HttpReply> HttpServer::OnUpgrade(const HttpRequest& request, const FrontDoor::Visit& visit,
                                               const IpAddress& client) {
  const UpgradePolicy::State state = StateFor(visit, app_.size());
  if (!app_.exists() || router_->Find(request.path).result != Router::Result::kUnknownPath) {
    RequestSpan span(config_.tracer, "websocket connect", request);
    return Open(policy_.Judge(span.request(), client, state), visit, &span);
  }
  if (auto refusal = policy_.JudgeForApp(request, state)) return Refused(std::move(*refusal));
  return app_.PassOn(Exchange::Kind::kSocket, request, visit, client, config_.proxies.Contains(visit.peer));
}

std::optional<HttpReply> HttpServer::OnAppSocket(const HttpRequest& request, const FrontDoor::Visit& visit,
                                                 const IpAddress& client, const AppSocket& socket) {
  // This request is not one more.
  RequestSpan span(config_.tracer, "websocket connect", request);
  return Open(policy_.Judge(span.request(), client, StateFor(visit, app_.size() - 1), socket), visit, &span);
}

std::optional<HttpReply> HttpServer::OnAppRequest(const HttpRequest& request, const FrontDoor::Visit& visit,
                                                  const IpAddress& client) {
  const UpgradePolicy::State state = StateFor(visit, app_.size());
  if (state.is_stopping) {
    return Refused(
        {Busy("This gateway is stopping; try again to reach another.\n"), RefusalCause::kStopping});
  }
  if (state.is_full) {
    return Refused({Busy("This gateway is full; try again to reach another.\n"), RefusalCause::kFull});
  }
  return app_.PassOn(Exchange::Kind::kRequest, request, visit, client, config_.proxies.Contains(visit.peer));
}

std::optional<HttpReply> HttpServer::Open(std::variant<Upgrade, UpgradeRefusal> judged,
                                          const FrontDoor::Visit& visit, RequestSpan* span) {
  std::optional<HttpReply> reply;
  if (auto* refusal = std::get_if<UpgradeRefusal>(&judged)) {
    reply = Refused(std::move(*refusal));
  } else {
    Upgrade& upgrade = std::get<Upgrade>(judged);
    span->OnHub(upgrade.hub);
    reply = handler_->OnUpgrade(std::move(upgrade), visit);
  }
  span->End(reply ? reply->status : 101, "The socket was not opened");
  return reply;
}

}  // namespace dormouse::edge
